/**
 * Which call a change belongs to. It travels with the call, through whatever is awaited on its way; where nothing is recorded
 * there is none.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Caller } from '../protocol/caller.ts'
import type { Json } from '../protocol/json.ts'

/** What is known of a call where it comes in. */
export interface CallContext {
  readonly caller: Pick<Caller, 'id' | 'kind' | 'name' | 'address'>
  /** Such as `SignalExecution`. */
  readonly action: string
  /** Empty: it is about no namespace. */
  readonly namespace: string
  readonly resource: { readonly type: string; readonly id: string }
  /** Policies that have permitted it; absent: none was asked. */
  readonly policies?: readonly string[]
  readonly requestId: string
  /** Who acts on a human task, as the caller says. */
  readonly actor?: string
}

/** Where a change of the call was recorded: a batch, which may be dropped. */
export interface RecordPlace {
  readonly dropped: Error | undefined
}

/** A call on its way. */
export class TrackedCall {
  readonly context: CallContext
  /** Another node has recorded what came of it. */
  isRecordedElsewhere = false
  readonly #places: RecordPlace[] = []

  constructor(context: CallContext) {
    this.context = context
  }

  /** It was recorded in `place`, with the change. */
  recordedIn(place: RecordPlace): void {
    this.#places.push(place)
  }

  /** A change of it is recorded, or was: whatever of that was dropped, its caller was told. */
  get wasRecorded(): boolean {
    return this.isRecordedElsewhere || this.#places.length > 0
  }

  /** A change of it is recorded, and was not dropped. */
  get isRecorded(): boolean {
    return this.isRecordedElsewhere || this.#places.some(({ dropped }) => dropped === undefined)
  }
}

const calls = new AsyncLocalStorage<TrackedCall | undefined>()

export function currentCall(): TrackedCall | undefined {
  return calls.getStore()
}

/** Runs `work` as the call, or as none. */
export function withCall<T>(call: TrackedCall | undefined, work: () => T): T {
  return calls.run(call, work)
}

/** As it goes to another node. */
export function contextJson(context: CallContext): Json {
  return JSON.parse(JSON.stringify(context)) as Json
}
