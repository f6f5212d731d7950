/** Callers that work without a break, and remember each answer that they got, and how long they waited for the next one. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RemoteClient } from '../../src/index.ts'
import { go, parentOf } from '../postgres/cluster-workload.ts'

export const SIGNAL_VALUE = 7
const AGAIN_MS = 20
/** Values of different callers do not meet. */
const CALLER_VALUES = 1_000_000

export interface Acknowledged {
  readonly value: number
  isSignalled: boolean
  result: number | undefined
}

export class AcknowledgedWork {
  /** By workflow id: what was started, and that was answered. */
  readonly started = new Map<string, Acknowledged>()
  /** Of calls that were asked again, by error code. */
  readonly askedAgain = new Map<string, number>()
  /** What should not have happened. */
  readonly errors: string[] = []
  acknowledgements = 0
  readonly #client: RemoteClient
  readonly #lastMs: number[]
  readonly #longestMs: number[]
  #isOver = false
  #callers: Promise<unknown> | undefined

  constructor(client: RemoteClient, callers: number) {
    this.#client = client
    this.#lastMs = Array.from({ length: callers }, () => performance.now())
    this.#longestMs = Array.from({ length: callers }, () => 0)
  }

  begin(): void {
    this.#callers = Promise.all(this.#lastMs.map((_, caller) => this.#work(caller)))
  }

  /** Each caller ends what it has begun. */
  async end(): Promise<void> {
    this.#isOver = true
    await this.#callers
  }

  /** From now on the longest wait of each caller is looked for. */
  watch(): void {
    this.#longestMs.fill(0)
  }

  /** The longest time that each caller was without an answer since `watch`, ms, also if it still waits. */
  pausesMs(): number[] {
    const nowMs = performance.now()
    return this.#lastMs.map((lastMs, caller) => Math.max(this.#longestMs[caller] ?? 0, nowMs - lastMs))
  }

  /** Each caller has got an answer since then. */
  async everyCallerSince(sinceMs: number, limitMs: number): Promise<boolean> {
    while (this.#lastMs.some((lastMs) => lastMs < sinceMs) && this.errors.length === 0) {
      if (performance.now() > sinceMs + limitMs) return false
      await sleep(20)
    }
    return true
  }

  async #work(caller: number): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const value = caller * CALLER_VALUES + i
      const id = `parent-${caller}-${i}`
      try {
        await this.#one(caller, id, value)
      } catch (error) {
        this.errors.push(`${id}: ${error}`)
        return
      }
    }
  }

  async #one(caller: number, id: string, value: number): Promise<void> {
    const execution = await this.#again(() => this.#client.start(parentOf, value, { id }))
    const acknowledged: Acknowledged = { value, isSignalled: false, result: undefined }
    this.started.set(id, acknowledged)
    this.#answered(caller)
    await this.#again(() => execution.signal(go, SIGNAL_VALUE, { requestId: `go-${id}` }))
    acknowledged.isSignalled = true
    this.#answered(caller)
    acknowledged.result = await this.#again(() => execution.result())
    this.#answered(caller)
  }

  #answered(caller: number): void {
    const nowMs = performance.now()
    const pauseMs = nowMs - (this.#lastMs[caller] ?? nowMs)
    this.#longestMs[caller] = Math.max(this.#longestMs[caller] ?? 0, pauseMs)
    this.#lastMs[caller] = nowMs
    this.acknowledgements += 1
  }

  /** What may be asked again is asked again, with the same ids: as every caller should. */
  async #again<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        const { code, retryable } = error as { readonly code?: string; readonly retryable?: boolean }
        if (retryable !== true || code === undefined) throw error
        this.askedAgain.set(code, (this.askedAgain.get(code) ?? 0) + 1)
      }
      await sleep(AGAIN_MS)
    }
  }
}
