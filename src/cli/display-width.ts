/** Text on a terminal: how many cells it takes, cutting it to fit, and taking the teeth out of control characters. */
import { stripVTControlCharacters, type styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

const ASCII = /^[\x20-\x7e]*$/
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u
/** Control characters, and those that turn the direction of text: an id must not be able to repaint a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu
const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Terminal cells of one line of text; colours take none. */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(stripVTControlCharacters(text)))
    width += widthOfSegment(segment)
  return width
}

/** At most `width` cells; what was cut off shows as an ellipsis. */
export function clip(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  return width < 1 ? '' : `${headOf(text, width - 1)}…`
}

/** As many whole characters as fit. */
function headOf(text: string, width: number): string {
  let head = ''
  let left = width
  for (const { segment } of segmenter.segment(text)) {
    left -= widthOfSegment(segment)
    if (left < 0) break
    head += segment
  }
  return head
}

export function padTo(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'left' ? text + spaces : spaces + text
}

/** One line in which nothing moves the cursor. */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(
      UNPRINTABLE,
      (character) => ESCAPES[character] ?? `\\u{${character.codePointAt(0)?.toString(16)}}`,
    )
}

/** Breaks text between words into lines of at most `width` cells, all indented like the first; a longer word is cut. */
export function wrap(text: string, width: number): string[] {
  const indent = (/^ */.exec(text)?.[0] ?? '').slice(0, width >> 1)
  if (indent !== '') return wrap(text.replace(/^ +/, ''), width - indent.length).map((line) => indent + line)
  const lines: string[] = []
  let line = ''
  for (let word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) <= width) {
      line += ` ${word}`
      continue
    }
    if (line !== '') lines.push(line)
    while (widthOf(word) > width) {
      const head = headOf(word, width)
      if (head === '') break
      lines.push(head)
      word = word.slice(head.length)
    }
    line = word
  }
  if (line !== '') lines.push(line)
  return lines
}

function widthOfSegment(segment: string): number {
  if (NO_WIDTH.test(segment)) return 0
  return WIDE.test(segment) ? 2 : 1
}
