/**
 * Branches of workflow code that fail before anybody awaits them.
 *
 * In `const b = branch(); await a; await b` the branch may reject while the code still awaits `a`: live that can be days
 * before `await b`. Node takes that for an unhandled rejection and ends the process. Here such a rejection is kept for the
 * code that will await it; only what is never awaited is logged, when the run ends.
 *
 * 1. Only rejections raised inside workflow code are kept; all others go where they went before: to other listeners, or
 *    to Node's default, which ends the process.
 * 2. A listener could not do that: its presence alone would switch Node's default off, and it cannot keep the event from
 *    other listeners. So the event is held back where it is emitted.
 * 3. With `--unhandled-rejections=strict` Node does not ask first: that mode cannot be used with workflows.
 */
import type { LogRecord } from '../../protocol/worker-port.ts'
import { type CurrentRun, currentRun } from './current-run.ts'

type Emit = typeof process.emit

/** Runs by the promises that were kept for them, and what was kept for each run. */
const owners = new WeakMap<object, CurrentRun>()
const floating = new WeakMap<CurrentRun, Map<object, unknown>>()
const NONE: readonly unknown[] = []
let users = 0
let original: Emit | undefined

/** Keeps floating rejections of workflow code until the returned function is called as often as this one. */
export function keepFloatingRejections(): () => void {
  users += 1
  if (original === undefined) {
    original = process.emit
    process.emit = emit as Emit
  }
  let isReleased = false
  return () => {
    if (isReleased) return
    isReleased = true
    users -= 1
    // Somebody may have wrapped ours since: then it stays, and passes everything on.
    if (users > 0 || process.emit !== (emit as Emit) || original === undefined) return
    process.emit = original
    original = undefined
  }
}

function emit(this: NodeJS.Process, name: string, ...args: unknown[]): boolean {
  if (users > 0 && name === 'unhandledRejection' && keep(args[0], args[1])) return true
  if (name === 'rejectionHandled' && handOver(args[0])) return true
  return Reflect.apply(original as (...all: unknown[]) => boolean, this, [name, ...args])
}

function keep(reason: unknown, promise: unknown): boolean {
  const run = currentRun()
  if (run === undefined || typeof promise !== 'object' || promise === null) return false
  owners.set(promise, run)
  const kept = floating.get(run)
  if (kept === undefined) floating.set(run, new Map([[promise, reason]]))
  else kept.set(promise, reason)
  return true
}

function handOver(promise: unknown): boolean {
  if (typeof promise !== 'object' || promise === null) return false
  const run = owners.get(promise)
  if (run === undefined) return false
  floating.get(run)?.delete(promise)
  return true
}

/** Errors of a run's branches that nobody has awaited; they are forgotten. */
export function takeFloating(run: CurrentRun): readonly unknown[] {
  const kept = floating.get(run)
  if (kept === undefined) return NONE
  floating.delete(run)
  return [...kept.values()]
}

export function floatingRecord(error: unknown): LogRecord {
  return {
    level: 'warn',
    message: 'a branch of the workflow failed, and nobody awaited it',
    fields: { error },
  }
}

/** Code may look at this promise late or never: that is no unhandled rejection. */
export function rejectedQuietly(error: Error): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(() => {})
  return promise
}
