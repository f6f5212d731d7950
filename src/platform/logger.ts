/** Logs: one JSON line per record, as pino writes them. */

import { inspect } from 'node:util'
import type { Json } from '../protocol/json.ts'

export type LogFields = { readonly [name: string]: unknown }

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const

export type LogLevel = keyof typeof LEVELS | 'silent'

/** Writes records at or above `level` to standard error. */
export function jsonLogger(
  level: LogLevel = 'warn',
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Logger {
  const lowest = level === 'silent' ? Number.POSITIVE_INFINITY : LEVELS[level]
  const logAt = (name: keyof typeof LEVELS) => (message: string, fields?: LogFields) => {
    if (LEVELS[name] < lowest) return
    const record = { level: name, time: new Date().toISOString(), msg: message }
    write(`${lineOf(record, fields)}\n`)
  }
  return { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') }
}

/** A logger of a user may throw: that must stop nothing. What it threw is told on standard error. */
export function safeLogger(logger: Logger): Logger {
  const at = (name: keyof typeof LEVELS) => (message: string, fields?: LogFields) => {
    try {
      logger[name](message, fields)
    } catch (error) {
      fallback.error('the logger threw', { record: message, error })
    }
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Fields come from users too: what JSON cannot hold is shown as text, and never thrown. */
function lineOf(record: LogFields, fields: LogFields | undefined): string {
  try {
    return JSON.stringify({ ...record, ...fields }, plainError)
  } catch {
    return JSON.stringify({
      ...record,
      fields: inspect(fields, { depth: 4, breakLength: Number.POSITIVE_INFINITY }),
    })
  }
}

/** The fields of a record as its line would have them, for another process to write. */
export function plainFields(fields: LogFields): { readonly [name: string]: Json } {
  try {
    return JSON.parse(JSON.stringify(fields, plainError))
  } catch {
    return { fields: inspect(fields, { depth: 4, breakLength: Number.POSITIVE_INFINITY }) }
  }
}

function plainError(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return typeof value === 'bigint' ? value.toString() : value
  const { name, message, stack, cause } = value
  const code = (value as { code?: unknown }).code
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    stack,
    ...(cause === undefined ? {} : { cause }),
  }
}

const fallback = jsonLogger()

export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
