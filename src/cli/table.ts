/**
 * Tables that fit the terminal: no line is longer than its width, and none wraps.
 *
 * Optional columns are left out where they are empty, or where the others would have no comfortable width; then the
 * widest columns give way first, down to their least width.
 */
import { clip, padTo, type Style, widthOf } from './display-width.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** It is not made narrower than this while another can give way. Default: its content is never cut. */
  readonly leastWidth?: number
  /** It is left out where there is no room, the highest number first. */
  readonly optional?: number
}

export type Cell = string | { readonly text: string; readonly style: Style }
export type Paint = (style: Style, text: string) => string

const GAP = 2
/** A wider column may be cut for an optional one. */
const COMFORTABLE_WIDTH = 16

export class Table {
  readonly #columns: readonly Column[]
  /** Cells of each column; undefined: left out. */
  readonly #widths: readonly (number | undefined)[]
  readonly #width: number
  readonly #paint: Paint

  /** `sample`: rows that the widths are taken from. */
  constructor(
    columns: readonly Column[],
    sample: readonly (readonly Cell[])[],
    { width, paint }: { readonly width: number; readonly paint: Paint },
  ) {
    const natural = columns.map(({ title, optional }, i) => {
      const widest = sample.reduce((most, row) => Math.max(most, widthOf(textOf(row[i] ?? ''))), 0)
      return widest === 0 && optional !== undefined ? undefined : Math.max(widest, widthOf(title))
    })
    this.#columns = columns
    this.#widths = fittedWidths(columns, natural, width)
    this.#width = width
    this.#paint = paint
  }

  header(): string {
    return this.row(this.#columns.map(({ title }) => ({ text: title, style: 'dim' })))
  }

  row(cells: readonly Cell[]): string {
    const shown = this.#columns.flatMap((column, i) => {
      const width = this.#widths[i]
      return width === undefined ? [] : [{ cell: cells[i] ?? '', width, align: column.align ?? 'left' }]
    })
    let line = ''
    let used = 0
    for (const [i, { cell, width, align }] of shown.entries()) {
      const gap = i === 0 ? 0 : GAP
      const room = Math.min(width, this.#width - used - gap)
      if (room < 1) break
      const text = clip(textOf(cell), room)
      const isLast = i === shown.length - 1
      const padded = isLast && align === 'left' ? text : padTo(text, room, align)
      line += ' '.repeat(gap) + (typeof cell === 'string' ? padded : this.#paint(cell.style, padded))
      used += gap + room
    }
    return line.trimEnd()
  }
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text
}

function fittedWidths(
  columns: readonly Column[],
  natural: readonly (number | undefined)[],
  width: number,
): (number | undefined)[] {
  const widths = [...natural]
  const least = columns.map(({ leastWidth = Number.POSITIVE_INFINITY }, i) =>
    Math.min(natural[i] ?? 0, leastWidth),
  )
  const leavable = columns
    .map(({ optional = 0 }, i) => ({ optional, i }))
    .filter(({ optional }) => optional > 0)
    .sort((a, b) => b.optional - a.optional)
  for (const { i } of leavable) if (comfortableTotal(widths, columns) > width) widths[i] = undefined
  for (let excess = totalOf(widths) - width; excess > 0; excess--) {
    const widest = widestShrinkable(widths, least)
    if (widest === undefined) break
    widths[widest] = (widths[widest] ?? 1) - 1
  }
  return widths
}

function comfortableTotal(widths: readonly (number | undefined)[], columns: readonly Column[]): number {
  return totalOf(
    widths.map((width, i) => {
      if (width === undefined || columns[i]?.leastWidth === undefined) return width
      return Math.min(width, Math.max(COMFORTABLE_WIDTH, columns[i].leastWidth))
    }),
  )
}

function totalOf(widths: readonly (number | undefined)[]): number {
  const shown = widths.filter((width) => width !== undefined)
  return shown.reduce((sum, width) => sum + width, 0) + GAP * Math.max(0, shown.length - 1)
}

function widestShrinkable(
  widths: readonly (number | undefined)[],
  least: readonly number[],
): number | undefined {
  let widest: number | undefined
  for (const [i, width] of widths.entries()) {
    if (width === undefined || width <= (least[i] ?? 0)) continue
    if (widest === undefined || width > (widths[widest] ?? 0)) widest = i
  }
  return widest
}
