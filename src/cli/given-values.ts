/** Values of options that several commands take. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Duration, durationMs } from '../protocol/duration.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Attributes } from '../protocol/event.ts'
import type { CommandCall, GivenOptions, OptionSpec } from './command.ts'
import { standardInput } from './standard-input.ts'
import { UsageError } from './usage-error.ts'

export const LIST_OPTIONS = {
  limit: { value: 'N', says: 'at most N; default 100' },
  cursor: { value: 'CURSOR', says: 'go on where the list before ended, which names it' },
} as const satisfies Record<string, OptionSpec>

export const IF_REVISION = {
  'if-revision': { value: 'N', says: 'only if this is its revision' },
} as const satisfies Record<string, OptionSpec>

/** @returns milliseconds @throws UsageError */
export function durationOf(options: GivenOptions, name: string): number | undefined {
  const text = options.text(name)
  if (text === undefined) return undefined
  try {
    // What is none is refused.
    return durationMs(text as Duration)
  } catch (error) {
    if (!(error instanceof PerdureError)) throw error
    throw new UsageError(`--${name} ${text} is no duration`, 'Such as 250ms, 10s, 5m, 2h or 30d.')
  }
}

/** `NAME=VALUE`, several times. @throws UsageError */
export function pairsOf(options: GivenOptions, name: string): Readonly<Record<string, string>> | undefined {
  const texts = options.texts(name)
  if (texts.length === 0) return undefined
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new UsageError(`--${name} ${text} is not of the form NAME=VALUE`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

/** Search attributes. @throws UsageError */
export function attributesOf(options: GivenOptions): Attributes | undefined {
  const pairs = pairsOf(options, 'attribute')
  if (pairs === undefined) return undefined
  return Object.fromEntries(Object.entries(pairs).map(([name, text]) => [name, attributeOf(text)]))
}

const WORDS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null }
/** Not `007`, `0x1f` and `12e4`: ids look so, and would be others. */
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?$/
const QUOTED = /^"(.*)"$/s

/** `true`, `false`, `null` and numbers are taken as such, what stands between `"` as a text. */
export function attributeOf(text: string): Attributes[string] {
  if (Object.hasOwn(WORDS, text)) return WORDS[text] ?? null
  const number = NUMBER.test(text) ? Number(text) : Number.NaN
  // What has more digits than a number can hold is an id.
  if (Number.isSafeInteger(Math.trunc(number))) return number
  return QUOTED.exec(text)?.[1] ?? text
}

/** Words with commas, or several times; undefined: none was given. */
export function wordsOf(options: GivenOptions, name: string): readonly string[] | undefined {
  const words = options.texts(name).flatMap((text) => text.split(','))
  return words.length === 0 ? undefined : words
}

/** @throws UsageError */
export function neededText(options: GivenOptions, name: string): string {
  const text = options.text(name)
  if (text === undefined) throw new UsageError(`--${name} is missing`)
  return text
}

/** What a file says, or standard input for `-`. @throws UsageError */
export async function fileText({ directory, stdin }: CommandCall, path: string): Promise<string> {
  if (path === '-') return standardInput(stdin)
  try {
    return readFileSync(resolve(directory, path), 'utf8')
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

/** @throws UsageError */
export async function fileJson(call: CommandCall, path: string): Promise<unknown> {
  const text = await fileText(call, path)
  try {
    return JSON.parse(text)
  } catch (error) {
    const what = path === '-' ? 'standard input' : path
    throw new UsageError(`${what} is no JSON: ${error instanceof Error ? error.message : error}`)
  }
}

/** An object, of a file. @throws UsageError */
export async function fileObject(
  call: CommandCall,
  path: string,
): Promise<Readonly<Record<string, unknown>>> {
  const value = await fileJson(call, path)
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>
  throw new UsageError(`${path === '-' ? 'standard input' : path} holds no JSON object`)
}
