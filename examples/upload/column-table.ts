/** A table of text: the first column to the left, numbers to the right. */
export function columnTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lineOf = ([name = '', ...cells]: readonly string[]) =>
    [
      name.padEnd(widths[0] ?? 0),
      ...cells.map((cell, column) => cell.padStart(widths[column + 1] ?? 0)),
    ].join('  ')
  return rows.map(lineOf).join('\n')
}
