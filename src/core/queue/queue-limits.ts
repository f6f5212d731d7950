/**
 * How much of a queue may run at once, and start per second: in all, and per key.
 *
 * 1. A key is held up while it has no slot or no token; everything else goes on.
 * 2. `wakeMs` is when time alone lets something start; the end of a task is told by `ended`.
 * 3. Memory: one entry per key that runs or has used tokens lately.
 */
import type { QueueLimits, RateLimit } from '../../protocol/queue-settings.ts'
import { type HeapItem, IndexedHeap } from './indexed-heap.ts'
import { TokenBucket } from './token-bucket.ts'

/** Throws a RangeError that says what is wrong. */
export function checkLimits({ concurrency, keyConcurrency, rate, keyRate }: QueueLimits): void {
  for (const [name, count] of Object.entries({ concurrency, keyConcurrency }))
    if (count !== undefined && !(Number.isSafeInteger(count) && count >= 1))
      throw new RangeError(`${name} is ${count}; give a whole number of 1 or more`)
  for (const [name, limit] of Object.entries({ rate, keyRate })) {
    if (limit === undefined) continue
    if (!(limit.perSecond > 0 && Number.isFinite(limit.perSecond)))
      throw new RangeError(`${name}.perSecond is ${limit.perSecond}; give a finite number above 0`)
    if (limit.burst !== undefined && !(limit.burst >= 1 && Number.isFinite(limit.burst)))
      throw new RangeError(`${name}.burst is ${limit.burst}; give a number of 1 or more`)
  }
}

export function limitKeyOf({ keyConcurrency, keyRate }: QueueLimits, key: string): string {
  return keyConcurrency === undefined && keyRate === undefined ? '' : key
}

export interface KeyHold {
  readonly kind: 'concurrency' | 'rate'
  /** When a token is there, ms; with `rate`. */
  readonly untilMs?: number
}

interface RestingKey extends HeapItem {
  readonly limitKey: string
  /** When it has a token, ms. */
  readyMs: number
}

const NO_KEYS: readonly string[] = []

export class LimitKeeper {
  readonly limits: QueueLimits
  #rate: TokenBucket | undefined
  readonly #running = new Map<string, number>()
  readonly #buckets = new Map<string, TokenBucket>()
  /** Keys without a token: those that used theirs up, with a slow rate perhaps all. */
  readonly #resting = new Map<string, RestingKey>()
  /** The same, by when they have one. */
  readonly #byReady = new IndexedHeap<RestingKey>((a, b) => a.readyMs < b.readyMs)
  #count = 0
  #sweepAt = SWEEP_KEYS

  constructor(limits: QueueLimits, nowMs: number) {
    checkLimits(limits)
    this.limits = limits
    this.#rate = limits.rate === undefined ? undefined : new TokenBucket(limits.rate, nowMs)
  }

  /**
   * With other limits, in the middle of things. Slots are taken by what runs; tokens that were used stay used.
   *
   * @param running for each task that runs its key of limits, under the other limits
   */
  changed(limits: QueueLimits, running: Iterable<string>, nowMs: number): LimitKeeper {
    const next = new LimitKeeper(limits, nowMs)
    if (this.#rate !== undefined && limits.rate !== undefined)
      next.#rate = this.#rate.under(limits.rate, nowMs)
    for (const limitKey of running) next.resumed(limitKey)
    if (limits.keyRate === undefined) return next
    for (const [limitKey, bucket] of this.#buckets) {
      const own = bucket.under(limits.keyRate, nowMs)
      next.#buckets.set(limitKey, own)
      const readyMs = own.readyMs(nowMs)
      if (readyMs > nowMs) next.#rest(limitKey, readyMs)
    }
    return next
  }

  /** Keys that are held up now. */
  *held(): Iterable<string> {
    yield* this.#resting.keys()
    for (const limitKey of this.#running.keys())
      if (!this.#resting.has(limitKey) && this.#isFull(limitKey)) yield limitKey
  }

  get running(): number {
    return this.#count
  }

  runningOf(limitKey: string): number {
    return this.#running.get(limitKey) ?? 0
  }

  /** The key that limits of its own hold for; '' if there are none. */
  keyOf(key: string): string {
    return limitKeyOf(this.limits, key)
  }

  /** Whether the queue as a whole may start one: true, false until one ends, or the time from which on it may, ms. */
  mayStart(nowMs: number): boolean | number {
    if (this.limits.concurrency !== undefined && this.#count >= this.limits.concurrency) return false
    const readyMs = this.#rate?.readyMs(nowMs) ?? nowMs
    return readyMs <= nowMs ? true : readyMs
  }

  /** A task starts. Answers what holds up further ones of its key from now on. */
  started(limitKey: string, nowMs: number): KeyHold | undefined {
    this.#count += 1
    this.#rate?.take(nowMs)
    return limitKey === '' ? undefined : this.#startedKey(limitKey, nowMs)
  }

  /** A task that ran when this keeper was made: it takes a slot, and no token. */
  resumed(limitKey: string): KeyHold | undefined {
    this.#count += 1
    if (limitKey === '') return undefined
    this.#running.set(limitKey, this.runningOf(limitKey) + 1)
    return this.#isFull(limitKey) ? { kind: 'concurrency' } : undefined
  }

  /** A task ends. True: its key is to be let go. */
  ended(limitKey: string): boolean {
    this.#count -= 1
    if (limitKey === '') return false
    const running = this.runningOf(limitKey) - 1
    const wasFull = running + 1 === this.limits.keyConcurrency
    if (running === 0) this.#running.delete(limitKey)
    else this.#running.set(limitKey, running)
    return wasFull && !this.#resting.has(limitKey)
  }

  /** Keys that time has given a token, and that have a slot: they are to be let go. */
  rested(nowMs: number): readonly string[] {
    let rested: string[] | undefined
    for (;;) {
      const first = this.#byReady.first
      if (first === undefined || first.readyMs > nowMs) return rested ?? NO_KEYS
      this.#byReady.remove(first)
      this.#resting.delete(first.limitKey)
      if (this.#isFull(first.limitKey)) continue
      rested ??= []
      rested.push(first.limitKey)
    }
  }

  /** When the next key has a token, ms. */
  get keyWakeMs(): number {
    return this.#byReady.first?.readyMs ?? Number.POSITIVE_INFINITY
  }

  /** What holds a key up now. */
  holdOf(limitKey: string): KeyHold | undefined {
    if (limitKey === '') return undefined
    const untilMs = this.#resting.get(limitKey)?.readyMs
    if (untilMs !== undefined) return { kind: 'rate', untilMs }
    return this.#isFull(limitKey) ? { kind: 'concurrency' } : undefined
  }

  #isFull(limitKey: string): boolean {
    return this.limits.keyConcurrency !== undefined && this.runningOf(limitKey) >= this.limits.keyConcurrency
  }

  #startedKey(limitKey: string, nowMs: number): KeyHold | undefined {
    this.#running.set(limitKey, this.runningOf(limitKey) + 1)
    const { keyRate } = this.limits
    if (keyRate !== undefined) {
      const bucket = this.#bucketOf(limitKey, keyRate, nowMs)
      bucket.take(nowMs)
      const readyMs = bucket.readyMs(nowMs)
      if (readyMs > nowMs) this.#rest(limitKey, readyMs)
    }
    return this.holdOf(limitKey)
  }

  #rest(limitKey: string, readyMs: number): void {
    const known = this.#resting.get(limitKey)
    const key = known ?? { limitKey, readyMs, heapIndex: -1 }
    key.readyMs = readyMs
    if (known === undefined) this.#resting.set(limitKey, key)
    this.#byReady.put(key)
  }

  #bucketOf(limitKey: string, keyRate: RateLimit, nowMs: number): TokenBucket {
    const known = this.#buckets.get(limitKey)
    if (known !== undefined) return known
    if (this.#buckets.size >= this.#sweepAt) this.#sweep(nowMs)
    const bucket = new TokenBucket(keyRate, nowMs)
    this.#buckets.set(limitKey, bucket)
    return bucket
  }

  /** A full bucket is like a new one. */
  #sweep(nowMs: number): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(key)
    this.#sweepAt = Math.max(SWEEP_KEYS, 2 * this.#buckets.size)
  }
}

/** Buckets of keys that are kept before full ones are looked for. */
const SWEEP_KEYS = 1024
