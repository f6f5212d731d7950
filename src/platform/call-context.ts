/**
 * Which call a change belongs to. It travels with the call, through whatever is awaited on its way; where nothing is recorded
 * there is none.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { CallContext } from '../protocol/call-context.ts'

/** Where a change of the call was recorded: a batch, which may be dropped. */
export interface RecordPlace {
  readonly dropped: Error | undefined
}

/** A call on its way. */
export class TrackedCall {
  readonly context: CallContext
  /** It is recorded already: by another node, or as parts of it. */
  hasRecord = false
  #places: RecordPlace[] = []

  constructor(context: CallContext) {
    this.context = context
  }

  /** It was recorded in `place`, with the change. */
  recordedIn(place: RecordPlace): void {
    this.#places.push(place)
  }

  /** It is over. What runs on in its context, such as code that it has started, keeps no batch alive. */
  end(): void {
    this.hasRecord ||= this.isRecorded
    this.#places = []
  }

  /** A change of it is recorded, or was: whatever of that was dropped, its caller was told. */
  get wasRecorded(): boolean {
    return this.hasRecord || this.#places.length > 0
  }

  /** A change of it is recorded, and was not dropped. */
  get isRecorded(): boolean {
    return this.hasRecord || this.#places.some(({ dropped }) => dropped === undefined)
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

/** Runs `work` as a part of the call, about one thing of several. What is recorded of the part is recorded of the call. */
export async function partOf<T>(
  call: TrackedCall | undefined,
  resource: CallContext['resource'],
  work: () => Promise<T>,
): Promise<T> {
  if (call === undefined) return await work()
  const part = new TrackedCall({ ...call.context, resource })
  try {
    return await withCall(part, work)
  } finally {
    call.hasRecord ||= part.isRecorded
    part.end()
  }
}
