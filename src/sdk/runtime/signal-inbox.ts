/** Signals of a run: those that came before anybody waited, and the waits that came before their signal. Both in order. */
import type { Payload } from '../../protocol/payload.ts'

export interface BufferedSignal {
  readonly seq: number
  readonly payload: Payload
}

export class SignalInbox {
  readonly #buffered = new Map<string, BufferedSignal[]>()
  readonly #waiters = new Map<string, number[]>()

  /** The oldest signal of this name that nobody has had. */
  take(name: string): BufferedSignal | undefined {
    return this.#buffered.get(name)?.shift()
  }

  keep(name: string, signal: BufferedSignal): void {
    const buffered = this.#buffered.get(name)
    if (buffered === undefined) this.#buffered.set(name, [signal])
    else buffered.push(signal)
  }

  /** The operation waits for the next signal of this name. */
  wait(name: string, op: number): void {
    const waiters = this.#waiters.get(name)
    if (waiters === undefined) this.#waiters.set(name, [op])
    else waiters.push(op)
  }

  /** The operation that has waited longest; it waits no more. */
  nextWaiter(name: string): number | undefined {
    return this.#waiters.get(name)?.shift()
  }

  forget(name: string, op: number): void {
    const waiters = this.#waiters.get(name)
    const place = waiters?.indexOf(op) ?? -1
    if (place >= 0) waiters?.splice(place, 1)
  }
}
