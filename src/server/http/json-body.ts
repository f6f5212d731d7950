/** Bodies of requests: JSON in UTF-8, not nested too deep. */
import { RequestError } from './problem.ts'

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws RequestError `ARGUMENT_INVALID` */
export function jsonBody(bytes: Buffer, depthMost: number): unknown {
  if (isDeeper(bytes, depthMost)) throw bad(`the body is nested deeper than ${depthMost} levels`)
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw bad('the body is not UTF-8')
  }
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw bad(`the body is not JSON: ${(error as Error).message}`)
  }
}

/** On the bytes, before anything is made of them; of what is no JSON it says something, and the parser says the rest. */
function isDeeper(bytes: Buffer, most: number): boolean {
  if (bytes.length <= most) return false
  let depth = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === QUOTE) i = endOfText(bytes, i)
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1
      if (depth > most) return true
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth -= 1
  }
  return false
}

/** The place of the quote that ends the text. */
function endOfText(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(QUOTE, from + 1)
  while (at > 0) {
    let backslashes = 0
    while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return at
    at = bytes.indexOf(QUOTE, at + 1)
  }
  return bytes.length
}

function bad(detail: string): RequestError {
  return new RequestError('ARGUMENT_INVALID', detail, { faults: [{ in: 'body', pointer: '', detail }] })
}
