/**
 * Ids of executions.
 *
 * An execution is addressed by namespace + workflow id + run id. The run id is a ULID (48 bits of time, 80 random bits,
 * 26 characters of Crockford base 32): it sorts by start time, is never reused, and carries the day of its start, which
 * is the partition of its rows.
 */
declare const runIdBrand: unique symbol

export type RunId = string & { readonly [runIdBrand]: true }

/** Address of the newest run of a workflow id. */
export interface WorkflowKey {
  readonly namespace: string
  readonly workflowId: string
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const DAY_MS = 86_400_000
const RUN_ID_PATTERN = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

export const DEFAULT_NAMESPACE = 'default'

/** Encodes a run id from a time (ms since 1970) and 16 random values of 0..31 (5 bits each). Source: the ULID specification. */
export function runIdOf(timeMs: number, random: ArrayLike<number>): RunId {
  // One text of 26 characters, not 26 texts.
  const codes = new Array<number>(26)
  let rest = timeMs
  for (let i = 9; i >= 0; i--) {
    codes[i] = ALPHABET.charCodeAt(rest % 32)
    rest = Math.floor(rest / 32)
  }
  for (let i = 0; i < 16; i++) codes[10 + i] = ALPHABET.charCodeAt((random[i] ?? 0) & 31)
  return String.fromCharCode(...codes) as RunId
}

export function isRunId(text: string): text is RunId {
  return RUN_ID_PATTERN.test(text)
}

/** Start time of a run, ms since 1970. */
export function runStartMs(runId: RunId): number {
  let time = 0
  for (let i = 0; i < 10; i++) time = time * 32 + ALPHABET.indexOf(runId.charAt(i))
  return time
}

/** By so much the clock of the node that made an id may have been ahead of that of the node which began the run. */
const ID_AHEAD_MS = 3_600_000
const LATEST_MS = 2 ** 48 - 1

/**
 * Below it are the ids of all runs that began before that time, ms since 1970: an id is made before its run begins. So a list
 * up to that time need not look at what is newer. Undefined: it says nothing.
 */
export function runIdAbove(timeMs: number): RunId | undefined {
  const boundMs = Math.ceil(timeMs) + ID_AHEAD_MS
  return boundMs >= 0 && boundMs <= LATEST_MS ? runIdOf(boundMs, []) : undefined
}

/** Day of a run's start, days since 1970-01-01 UTC: the partition of all its rows. */
export function runDay(runId: RunId): number {
  return Math.floor(runStartMs(runId) / DAY_MS)
}

/** The stable key of one operation, for receivers that deduplicate: each part is percent-encoded. */
export function idempotencyKeyOf(key: WorkflowKey, runId: RunId, operation: number): string {
  return `${encodeURIComponent(key.namespace)}/${encodeURIComponent(key.workflowId)}/${runId}/${operation}`
}

/** One text for a workflow key; NUL cannot occur in either part. */
export function keyText(key: WorkflowKey): string {
  return `${key.namespace}\0${key.workflowId}`
}

/** A partition of a task queue. */
export interface QueueAddress {
  readonly namespace: string
  readonly queue: string
  /** 0, 1, … */
  readonly partition: number
}

/** Shard of a partition of a queue. */
export function queueShardOf({ namespace, queue, partition }: QueueAddress, shards: number): number {
  return shardOf({ namespace, workflowId: `queue:${queue}/${partition}` }, shards)
}

/** Shard of a schedule. */
export function scheduleShardOf(
  { namespace, id }: { readonly namespace: string; readonly id: string },
  shards: number,
): number {
  return shardOf({ namespace, workflowId: `schedule:${id}` }, shards)
}

/** Shard whose owner makes all changes of administrative objects. No namespace is empty: it is nobody's execution. */
export function registryShardOf(shards: number): number {
  return shardOf({ namespace: '', workflowId: 'registry' }, shards)
}

/**
 * Shard of an execution: FNV-1a (32 bits, over UTF-8) of namespace NUL workflow id, murmur3's final mix, modulo the number
 * of shards. Small enough to be written in SQL too.
 */
export function shardOf(key: WorkflowKey, shards: number): number {
  let hash = 0x811c9dc5
  const text = keyText(key)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) hash = Math.imul(hash ^ code, 0x01000193)
    else {
      for (const byte of utf8Of(text.codePointAt(i) ?? 0)) hash = Math.imul(hash ^ byte, 0x01000193)
      if (code >= 0xd800 && code < 0xdc00) i++
    }
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return (hash >>> 0) % shards
}

function utf8Of(point: number): number[] {
  if (point < 0x800) return [0xc0 | (point >> 6), 0x80 | (point & 63)]
  if (point < 0x10000) return [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
  return [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
}
