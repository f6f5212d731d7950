/**
 * Logs: one JSON line per record, as pino writes them, without secrets (`redaction.ts`).
 *
 * A record below the level costs a comparison: fields that all records of a logger have are put together only for those that are written.
 */
import { redactedFields, redactedText } from './redaction.ts'

export type LogFields = { readonly [name: string]: unknown }

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const
type Level = keyof typeof LEVELS

export type LogLevel = Level | 'silent'

/** Of loggers of our own: the same one, with more fields in each record. */
const relatives = new WeakMap<Logger, (fields: LogFields) => Logger>()

/** The lowest level that is written, of loggers that say so. */
const lowestLevels = new WeakMap<Logger, number>()

/** Whether it may write records of the level; false: what makes one can be left out. Of loggers of users that is not known. */
export function isLogged(logger: Logger, level: Level): boolean {
  return LEVELS[level] >= (lowestLevels.get(logger) ?? 0)
}

/** Writes records at or above `level` to standard error. Secrets in messages and fields are replaced by `[redacted]`. */
export function jsonLogger(
  level: LogLevel = 'warn',
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Logger {
  return boundLogger({}, { lowest: level === 'silent' ? Number.POSITIVE_INFINITY : LEVELS[level], write })
}

interface Sink {
  readonly lowest: number
  readonly write: (line: string) => void
}

function boundLogger(bound: LogFields, sink: Sink): Logger {
  const { lowest, write } = sink
  const logger = loggerOf((name, message, fields) => {
    if (LEVELS[name] < lowest) return
    const record = { level: name, time: new Date().toISOString(), msg: redactedText(message) }
    write(`${JSON.stringify({ ...record, ...redactedFields({ ...bound, ...fields }) })}\n`)
  })
  lowestLevels.set(logger, lowest)
  relatives.set(logger, (more) => boundLogger({ ...bound, ...more }, sink))
  return logger
}

/** A logger of a user may throw: that must stop nothing. What it threw is told on standard error. */
export function safeLogger(logger: Logger): Logger {
  const safe = loggerOf((name, message, fields) => {
    try {
      logger[name](message, fields)
    } catch (error) {
      fallback.error('the logger threw', { record: message, error })
    }
  })
  lowestLevels.set(safe, lowestLevels.get(logger) ?? 0)
  relatives.set(safe, (fields) => safeLogger(withFields(logger, fields)))
  return safe
}

/** The same logger; each record has these fields too, unless it has such fields itself. */
export function withFields(logger: Logger, about: LogFields): Logger {
  const relative = relatives.get(logger)
  if (relative !== undefined) return relative(about)
  return loggerOf((name, message, fields) => logger[name](message, { ...about, ...fields }))
}

function loggerOf(log: (name: Level, message: string, fields: LogFields | undefined) => void): Logger {
  return {
    debug: (message, fields) => log('debug', message, fields),
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    error: (message, fields) => log('error', message, fields),
  }
}

const fallback = jsonLogger()

export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
lowestLevels.set(silentLogger, Number.POSITIVE_INFINITY)
relatives.set(silentLogger, () => silentLogger)
