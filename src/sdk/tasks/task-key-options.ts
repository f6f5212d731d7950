/** Options of `enqueue` that keep a second task from being made, checked. */
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { TaskRequest } from '../../protocol/task-port.ts'
import { checkNames, type OptionNames } from '../checked-arguments.ts'
import type { TaskCallOptions } from './task-options.ts'

export interface TaskKeyOptions {
  /**
   * While a task of the same definition with this key is open, and for `dedupeFor` from its enqueueing on, no other one is
   * enqueued: the handle of that one is answered, with `enqueued: false`.
   */
  readonly dedupeKey?: string
  /** Only with `dedupeKey`. Default: only while it is open. */
  readonly dedupeFor?: Duration
  /**
   * The task starts `wait` after the last enqueue of the same definition with this key, with the input of that one, but no
   * later than `maxWait` after the first one. Its other options are those of the first one. Not with `delay` or `dedupeKey`.
   */
  readonly debounce?: DebounceOptions
}

export interface DebounceOptions {
  readonly key: string
  readonly wait: Duration
  /** Default: none; then enqueues that come again and again may hold it up for ever. */
  readonly maxWait?: Duration
}

const DEBOUNCE: OptionNames<DebounceOptions> = { key: true, wait: true, maxWait: true }

type Given<T> = { readonly [Name in keyof Required<T>]: T[Name] | undefined }

export function keyOptionsOf(
  { dedupeKey, dedupeFor, debounce, delay }: Given<TaskKeyOptions & Pick<TaskCallOptions, 'delay'>>,
  limits: Limits,
): Pick<TaskRequest, 'dedupe' | 'debounce'> {
  if (debounce !== undefined) {
    if (dedupeKey !== undefined || delay !== undefined)
      throw invalid('debounce goes with neither dedupeKey nor delay: it has a key and a delay of its own')
    return { debounce: debounceOf(debounce, limits) }
  }
  if (dedupeKey === undefined) {
    if (dedupeFor !== undefined) throw invalid('dedupeFor is given without dedupeKey')
    return {}
  }
  const key = checkedName(dedupeKey, 'the deduplication key of a task', limits.idBytes)
  return { dedupe: dedupeFor === undefined ? { key } : { key, forMs: durationMs(dedupeFor, 'dedupeFor') } }
}

function debounceOf(options: DebounceOptions, limits: Limits): NonNullable<TaskRequest['debounce']> {
  if (typeof options !== 'object' || options === null) throw invalid('debounce is not an object')
  checkNames(options, DEBOUNCE, (name) => `debounce has no option '${name}'`)
  const key = checkedName(options.key, 'the debounce key of a task', limits.idBytes)
  const waitMs = durationMs(options.wait, 'debounce.wait')
  if (waitMs === 0) throw invalid('debounce.wait is 0: there is nothing to wait for')
  if (options.maxWait === undefined) return { key, waitMs }
  const maxWaitMs = durationMs(options.maxWait, 'debounce.maxWait')
  if (maxWaitMs < waitMs) throw invalid('debounce.maxWait is shorter than debounce.wait')
  return { key, waitMs, maxWaitMs }
}

function invalid(detail: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `enqueue(): ${detail}`)
}
