/**
 * Guards around what workflow code must not call, because replay would get another answer.
 *
 * While installed, the guarded globals (and their twins in `node:timers`, `node:crypto`) ask whether they were called by
 * workflow code. If so the execution is parked and the call throws `NONDETERMINISTIC_CALL`, which names the replacement on
 * `ctx`. Everything else in the process, step functions and query handlers included, calls through.
 *
 * `import { randomUUID } from 'node:crypto'` is covered, since the bindings of Node's modules are live.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { performance } from 'node:perf_hooks'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'
import { PerdureError } from '../../protocol/errors.ts'
import { currentRun } from './current-run.ts'

type AnyFunction = (...args: unknown[]) => unknown
type Holder = Record<string, unknown>

const TIMERS = {
  setTimeout: 'ctx.sleep()',
  setInterval: 'ctx.sleep() in a loop',
  setImmediate: 'ctx.sleep(0)',
}
const WEB_CRYPTO = { randomUUID: 'ctx.uuid()', getRandomValues: 'ctx.random()' }
const NODE_CRYPTO = {
  randomUUID: 'ctx.uuid()',
  randomBytes: 'ctx.random() or ctx.step()',
  randomInt: 'ctx.random()',
}

let users = 0
let restore: (() => void)[] = []

/** Installs the guards until the returned function is called as often as this one. */
export function installDeterminismGuards(): () => void {
  users += 1
  if (users === 1) install()
  let isReleased = false
  return () => {
    if (isReleased) return
    isReleased = true
    users -= 1
    if (users > 0) return
    for (const undo of restore.reverse()) undo()
    restore = []
    syncBuiltinESMExports()
  }
}

function install(): void {
  const globals = globalThis as unknown as Holder
  for (const [name, replacement] of Object.entries(TIMERS)) {
    guard(globals, name, `${name}()`, replacement)
    guard(timers as unknown as Holder, name, `${name}()`, replacement)
    guard(timersPromises as unknown as Holder, name, `${name}() of node:timers/promises`, replacement)
  }
  for (const [name, replacement] of Object.entries(WEB_CRYPTO))
    guard(globalThis.crypto as unknown as Holder, name, `crypto.${name}()`, replacement)
  for (const [name, replacement] of Object.entries(NODE_CRYPTO))
    guard(crypto as unknown as Holder, name, `crypto.${name}()`, replacement)
  guard(Math as unknown as Holder, 'random', 'Math.random()', 'ctx.random()')
  guard(performance as unknown as Holder, 'now', 'performance.now()', 'ctx.now()')
  guard(globals, 'fetch', 'fetch()', 'ctx.step()')
  guardDate(globals)
  syncBuiltinESMExports()
}

function guard(holder: Holder, name: string, what: string, replacement: string): void {
  const original = holder[name]
  if (typeof original !== 'function') return
  const guarded = new Proxy(original as AnyFunction, {
    apply(target, self, args) {
      refuseInWorkflow(what, replacement)
      return Reflect.apply(target, self, args)
    },
  })
  replace(holder, name, guarded)
}

function guardDate(globals: Holder): void {
  const RealDate = Date
  guard(RealDate as unknown as Holder, 'now', 'Date.now()', 'ctx.now()')
  const GuardedDate = new Proxy(RealDate, {
    construct(target, args, newTarget) {
      if (args.length === 0) refuseInWorkflow('new Date()', 'new Date(ctx.now())')
      return Reflect.construct(target, args, newTarget)
    },
    apply(target) {
      refuseInWorkflow('Date()', 'new Date(ctx.now()).toString()')
      return Reflect.apply(target, undefined, [])
    },
  })
  replace(globals, 'Date', GuardedDate)
  replace(RealDate.prototype as unknown as Holder, 'constructor', GuardedDate)
}

/** Own properties are put back as they were; one that was inherited is removed again. */
function replace(holder: Holder, name: string, value: unknown): void {
  const own = Object.getOwnPropertyDescriptor(holder, name)
  Object.defineProperty(holder, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: own?.enumerable ?? false,
  })
  restore.push(() => {
    // Somebody may have put theirs over ours since: it is not ours to remove.
    if (holder[name] !== value) return
    if (own === undefined) delete holder[name]
    else Object.defineProperty(holder, name, own)
  })
}

function refuseInWorkflow(what: string, replacement: string): void {
  const run = currentRun()
  if (run === undefined || run.isReading) return
  throw run.refuse(
    new PerdureError(
      'NONDETERMINISTIC_CALL',
      `workflow code called ${what}, which gives another answer in replay: use ${replacement}`,
    ),
  )
}
