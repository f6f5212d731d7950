/** What commands print of lists and of single things: tables and lines for people, and JSON as it was answered. */
import type { CommandCall } from './command.ts'
import { printable } from './display-width.ts'
import { type Cell, type Column, Table } from './table.ts'
import { timeText } from './time-text.ts'

export interface Field<T> extends Column {
  /** Undefined: it has none. What it says is made printable. */
  readonly of: (row: T) => Cell | number | undefined
}

/** A function that prints page after page; the widths are those of the first. */
export function rowsPrinter<T>(
  { options, output }: CommandCall,
  fields: readonly Field<T>[],
): (rows: readonly T[]) => void {
  if (options.flag('json')) {
    return (rows) => {
      for (const row of rows) output.line(JSON.stringify(row))
    }
  }
  let table: Table | undefined
  return (rows) => {
    const cells = rows.map((row) => fields.map(({ of }) => cellOf(of(row))))
    if (table === undefined) {
      table = new Table(fields, cells, output)
      output.line(table.header())
    }
    for (const row of cells) output.line(table.row(row))
  }
}

/** @param none what is said where there are none */
export async function printPages<T>(
  call: CommandCall,
  pages: AsyncIterable<readonly T[]> | Iterable<readonly T[]>,
  { fields, none }: { readonly fields: readonly Field<T>[]; readonly none: string },
): Promise<void> {
  const print = rowsPrinter(call, fields)
  let isEmpty = true
  for await (const page of pages) {
    if (page.length === 0) continue
    isEmpty = false
    print(page)
    await call.output.flushed()
  }
  if (isEmpty && !call.options.flag('json')) call.output.note(none)
}

/** Names and values of one thing; what is undefined or an empty list is left out. */
export function printThing({ options, output }: CommandCall, thing: object): void {
  if (options.flag('json')) {
    output.line(JSON.stringify(thing))
    return
  }
  const shown = Object.entries(thing).flatMap(([name, value]) => {
    const text = valueText(name, value)
    return text === '' ? [] : [[name.replace(/(?<=[a-z])Ms$/, ''), text] as const]
  })
  const width = Math.max(0, ...shown.map(([name]) => name.length))
  for (const [name, text] of shown) output.line(`${name.padEnd(width)}  ${printable(text)}`)
}

/** That something is done: a sentence, or with `--json` an object. */
export function printDone({ options, output }: CommandCall, done: object, sentence: string): void {
  output.line(options.flag('json') ? JSON.stringify(done) : printable(sentence))
}

/** A point in time of the API. */
export function timeCell(ms: number | undefined): string {
  return ms === undefined ? '' : timeText(ms)
}

function cellOf(cell: Cell | number | undefined): Cell {
  if (cell === undefined || typeof cell === 'number') return cell === undefined ? '' : String(cell)
  return typeof cell === 'string' ? printable(cell) : { ...cell, text: printable(cell.text) }
}

/** Fields of times end with `At`, or with `Ms` and hold a time and no duration. */
const TIME = /(^at|At|Until|From|To|next|created|changed|rotated|expires|revoked|started|lastUsed)(Ms)?$/

function valueText(name: string, value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'number' && TIME.test(name)) return timeText(value)
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value.join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
