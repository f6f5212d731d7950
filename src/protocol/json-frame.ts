/**
 * JSON of another process, not looked at yet: parsed, if it is nested no deeper than what it is made of later can bear.
 *
 * `JSON.parse` takes any depth; `JSON.stringify`, by which what has come is written into a store, overflows the stack between 4,000
 * and 5,000 levels.
 */
import { PerdureError } from './errors.ts'

/** A value of 200 levels, the most that is encoded, takes three for each (a Map); and there is a message around it. */
const DEPTH_MOST = 1000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** @throws PerdureError `PROTOCOL_INVALID` */
export function parsedFrame(frame: string): unknown {
  if (isDeeper(frame, DEPTH_MOST))
    throw new PerdureError('PROTOCOL_INVALID', `a frame is nested deeper than ${DEPTH_MOST} levels`)
  try {
    return JSON.parse(frame)
  } catch (error) {
    throw new PerdureError('PROTOCOL_INVALID', 'a frame is not JSON', { cause: error })
  }
}

/** Of what is no JSON it says something, and the parser says the rest. */
export function isDeeper(text: string, most: number): boolean {
  // Each level takes two: nearly all frames are shorter.
  if (text.length <= 2 * most) return false
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) i = endOfText(text, i)
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1
      if (depth > most) return true
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1
  }
  return false
}

/** The place of the quote that ends the text. */
function endOfText(text: string, from: number): number {
  let at = text.indexOf('"', from + 1)
  while (at > 0) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return at
    at = text.indexOf('"', at + 1)
  }
  return text.length
}
