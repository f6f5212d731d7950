import { UsageError } from './usage-error.ts'

/** The word that was probably meant, by the number of typing mistakes (a swap of two neighbours is one). */
export function nearestWord(typed: string, words: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(typed.length / 3))
  let nearest: { readonly word: string; readonly mistakes: number } | undefined
  for (const word of words) {
    // An unfinished word is likelier than any mistake.
    const mistakes = word.startsWith(typed) && typed.length > 1 ? 0 : mistakesBetween(typed, word)
    if (mistakes <= most && (nearest === undefined || mistakes < nearest.mistakes))
      nearest = { word, mistakes }
  }
  return nearest?.word
}

/** The word if it is one of these; else a `UsageError` that says which was probably meant. */
export function knownWord<Word extends string>(typed: string, words: readonly Word[], what: string): Word {
  const known = words.find((each) => each === typed)
  if (known !== undefined) return known
  const nearest = nearestWord(typed, words)
  throw new UsageError(
    `'${typed}' is not ${what}`,
    nearest === undefined ? `One of: ${words.join(', ')}.` : `Did you mean ${nearest}?`,
  )
}

/** Restricted Damerau-Levenshtein distance, row by row. */
function mistakesBetween(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let fewest = Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        fewest = Math.min(fewest, (before[j - 2] ?? 0) + 1)
      next.push(fewest)
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
