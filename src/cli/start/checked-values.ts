/** What each setting of `perdure start` may be. All are looked at before anything starts, whatever the store uses of them. */
import { silentLogger } from '../../platform/logger.ts'
import { systemRandomness } from '../../platform/randomness.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs } from '../../protocol/duration.ts'
import { checkedMetricsSettings } from '../../server/metrics/engine-observation.ts'
import type { MetricsSettings } from '../../server/metrics/metrics-settings.ts'
import { OWN_QUEUES } from '../../server/own-queues.ts'
import { checkedPostgresSettings, type PostgresSettings } from '../../server/postgres-settings.ts'
import { type QueueSettings, queueDesigns } from '../../server/queue-settings.ts'
import { isPostgresUrl, postgresTarget } from '../../store/postgres/postgres-url.ts'
import type { CommandCall } from '../command.ts'
import { UsageError } from '../usage-error.ts'

const LISTEN_PARTS = /^(?:(\[[0-9a-f:]+\]|[^:[\]]+):)?(\d{1,5})$/i

export function textOf(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new UsageError(`it is ${shown(value)}, not a text`)
  return value
}

export function storeOf(value: unknown): string {
  const store = textOf(value)
  if (isPostgresUrl(store)) postgresTarget(store)
  else if (store !== 'memory' && !/^sqlite:./.test(store))
    throw new UsageError(
      `'${store}' names no store`,
      "Write 'postgres://USER@HOST:PORT/DATABASE', 'sqlite:PATH' or 'memory'.",
    )
  return store
}

/** @param store that it is a standby of */
export function readStoreOf(value: unknown, store: string): string {
  const readStore = textOf(value)
  checkedPostgresSettings({ store, readStore })
  return readStore
}

export function postgresOf(value: unknown, store: string): PostgresSettings {
  // The cast: what it has is looked at here.
  const postgres = value as PostgresSettings
  checkedPostgresSettings({ store, postgres })
  return postgres
}

export function nameOf(value: unknown, what: string): string {
  return checkedName(value, what)
}

export function weightOf(value: unknown): number {
  const weight = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof weight !== 'number' || !(weight > 0 && weight < 1e6))
    throw new UsageError(`it is ${shown(value)}, not a number above 0 and below 1,000,000`)
  return weight
}

export function countOf(value: unknown): number {
  const count = /^\d+$/.test(String(value)) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UsageError(`it is ${shown(value)}, not a whole number of 1 or more`)
  return count
}

export function timeOf(value: unknown): number {
  // The cast: anything else is refused.
  return durationMs(value as Duration)
}

export function addressOf(value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^wss?:$/.test(url.protocol))
    throw new UsageError(`it is ${shown(value)}, not a URL like wss://node-1.internal:7233`)
  return textOf(value)
}

export function listenOf(value: unknown): { readonly host: string; readonly port: number } {
  const parts = LISTEN_PARTS.exec(String(value))
  const port = Number(parts?.[2])
  if (parts === null || port > 65_535)
    throw new UsageError(`'${value}' is no address to listen on`, 'Such as 127.0.0.1:7233, or 7233.')
  return { host: (parts[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port }
}

/** Paths as they are written. */
export function pathsOf(value: unknown): readonly string[] {
  const paths: readonly unknown[] = [value].flat()
  for (const path of paths)
    if (typeof path !== 'string' || path === '')
      throw new UsageError(`it is ${shown(value)}, not a path or a list of paths`)
  return paths as readonly string[]
}

export function flagOf(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new UsageError(`it is ${shown(value)}, not true or false`)
}

/** A variable that is on or off. */
export function switchOf(env: CommandCall['env'], name: string): boolean | undefined {
  const text = env[name] ?? ''
  if (text === '') return undefined
  if (text === '1' || text === 'true') return true
  if (text === '0' || text === 'false') return false
  throw new UsageError(`${name} is ${text}`, 'Such as 1, or 0.')
}

export function metricsOf(value: unknown): boolean | MetricsSettings {
  // The cast: what it has is looked at here.
  const metrics = value as boolean | MetricsSettings
  checkedMetricsSettings(metrics)
  return metrics
}

export function queuesOf(value: unknown): readonly QueueSettings[] {
  // The cast: what it has is looked at here.
  const queues = value as readonly QueueSettings[]
  queueDesigns(queues, {
    random: systemRandomness,
    logger: silentLogger,
    windowTasks: undefined,
    own: OWN_QUEUES,
  })
  return queues
}

function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number'
    ? String(value)
    : (JSON.stringify(value) ?? typeof value)
}
