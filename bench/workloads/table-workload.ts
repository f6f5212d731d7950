/** A workload without store and engine: rows of its own, and a Markdown table that goes into the docs as it is. */
import type { BenchOptions } from './workload.ts'

export type TableOptions = Omit<BenchOptions, 'store'>

export interface TableWorkload<Row extends object> {
  readonly name: string
  readonly about: string
  readonly rows: (options: TableOptions) => AsyncGenerator<Row, void, undefined>
  readonly tableOf: (rows: readonly Row[]) => string
}

export const numberText = (value: number): string => value.toLocaleString('en')

/** The first column is text, all others are numbers. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map(line).join('\n')
}

/** Prints all rows as JSON lines, or the table. */
export async function printTable<Row extends object>(
  workload: TableWorkload<Row>,
  options: TableOptions,
  isJson: boolean,
): Promise<void> {
  const rows: Row[] = []
  for await (const row of workload.rows(options)) {
    rows.push(row)
    if (isJson) process.stdout.write(`${JSON.stringify(row)}\n`)
  }
  if (!isJson) process.stdout.write(`${workload.tableOf(rows)}\n`)
}
