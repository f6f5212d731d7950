/**
 * Applies unified diffs strictly: the lines of each hunk must be in the file exactly once, wherever they are. So a patch
 * survives changes elsewhere in the file, and fails loudly when what it changes is no longer there.
 */
export interface FilePatch {
  /** From the repository's root. */
  readonly path: string
  readonly hunks: readonly { readonly before: readonly string[]; readonly after: readonly string[] }[]
}

export function parsePatch(text: string): FilePatch[] {
  const files: { path: string; hunks: { before: string[]; after: string[] }[] }[] = []
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const hunk = files.at(-1)?.hunks.at(-1)
    if (line.startsWith('--- ')) continue
    if (line.startsWith('+++ ')) files.push({ path: line.slice('+++ b/'.length), hunks: [] })
    else if (line.startsWith('@@')) files.at(-1)?.hunks.push({ before: [], after: [] })
    else if (hunk === undefined) throw new Error(`not a line of a patch: ${line}`)
    else if (line.startsWith('-')) hunk.before.push(line.slice(1))
    else if (line.startsWith('+')) hunk.after.push(line.slice(1))
    else {
      hunk.before.push(line.slice(1))
      hunk.after.push(line.slice(1))
    }
  }
  return files
}

export function applyPatch(source: string, { path, hunks }: FilePatch): string {
  let text = `\n${source}`
  for (const { before, after } of hunks) {
    const old = `\n${before.join('\n')}\n`
    const first = text.indexOf(old)
    if (first < 0) throw new Error(`the patch no longer applies: ${path} lacks\n${before.join('\n')}`)
    if (text.indexOf(old, first + 1) >= 0)
      throw new Error(`the patch is ambiguous: ${path} has more than once\n${before.join('\n')}`)
    text = `${text.slice(0, first)}\n${after.join('\n')}\n${text.slice(first + old.length)}`
  }
  return text.slice(1)
}
