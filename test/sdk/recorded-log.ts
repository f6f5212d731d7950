/** A logger that keeps its records. */
import type { Logger } from '../../src/index.ts'

export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: { readonly [name: string]: unknown }
}

export function recordedLog(): Logger & { readonly entries: LogEntry[] } {
  const entries: LogEntry[] = []
  const at =
    (level: LogEntry['level']) =>
    (message: string, fields: { readonly [name: string]: unknown } = {}) =>
      void entries.push({ level, message, fields })
  return { entries, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
