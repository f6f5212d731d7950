/**
 * Which run the code that executes now belongs to, followed through every `await` (AsyncLocalStorage).
 *
 * Workflow code is entered with its run; whatever the runtime does on behalf of the engine is done outside of it, so that
 * step functions and the engine's own callbacks never inherit a run.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { PerdureError } from '../../protocol/errors.ts'

export interface CurrentRun {
  /** A query handler or validator runs: it is never replayed. */
  readonly isReading: boolean
  /** Parks the run for something that its code must not do; returns the error, for the code. */
  refuse(error: PerdureError): PerdureError
}

const storage = new AsyncLocalStorage<CurrentRun | undefined>()

export function withRun<T>(run: CurrentRun, call: () => T): T {
  return storage.run(run, call)
}

export function withoutRun<T, Args extends unknown[]>(call: (...args: Args) => T, ...args: Args): T {
  return storage.getStore() === undefined ? call(...args) : storage.run(undefined, call, ...args)
}

export function currentRun(): CurrentRun | undefined {
  return storage.getStore()
}
