/** Lines and blocks in braces, as nginx and Keepalived have them. */

export type Line = string | { readonly title: string; readonly lines: readonly Line[] }

export function block(title: string, lines: readonly Line[]): Line {
  return { title, lines }
}

export function textOf(lines: readonly Line[]): string {
  return `${indented(lines, 0).join('\n')}\n`
}

function indented(lines: readonly Line[], depth: number): string[] {
  const space = '  '.repeat(depth)
  return lines.flatMap((line) =>
    typeof line === 'string'
      ? [`${space}${line}`]
      : [`${space}${line.title} {`, ...indented(line.lines, depth + 1), `${space}}`],
  )
}
