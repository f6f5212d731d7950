/**
 * A program that runs the mixed workload on a SQLite file until it is killed, or until an order is done.
 *
 * It loads, waits for its order on standard input, opens the engine, and writes what it learnt from the engine to standard
 * output, one JSON array per line: only what the engine acknowledged.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import {
  createEngine,
  type Engine,
  ExecutionFailedError,
  PerdureError,
  type Workflow,
} from '../../src/index.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { idOf, kindOf, signalIdsOf } from './mixed-cases.ts'
import { add, finish, mixedWorkload, part, type Workload } from './mixed-workflows.ts'

export interface Order {
  readonly directory: string
  readonly round: number
  /** Cases to go on with. */
  readonly cases: readonly number[]
  /** Further cases are started from this number on, to keep `inFlight` in flight; none if it is undefined. */
  readonly nextCase: number | undefined
  readonly inFlight: number
  /** The engine is closed after this time, in the middle of its work. */
  readonly closeAfterMs: number | undefined
  /** `normal` breaks the promise of durability: for the control. */
  readonly synchronous: 'full' | 'normal'
}

/** What the program writes. */
export type Report =
  | readonly ['loaded']
  | readonly ['ready']
  | readonly ['driving', number: number]
  | readonly ['started', number: number, runId: string]
  | readonly ['signalled', number: number, requestId: string]
  | readonly ['updated', number: number, updateId: string, result: string]
  | readonly ['ended', number: number, status: string, result: string | null]
  | readonly ['rejected', number: number, code: string, message: string]
  | readonly ['failed', code: string, message: string]
  | readonly ['done']

/** Written when it returns, so that a kill after that takes nothing away. The reader may be slow. */
function report(...line: Report): void {
  let rest = Buffer.from(`${JSON.stringify(line)}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

class Driver {
  readonly #engine: Engine
  readonly #workload: Workload

  constructor(engine: Engine, workload: Workload) {
    this.#engine = engine
    this.#workload = workload
  }

  /** One client: starts the case or finds it started, does what is left to do, and waits for its end. */
  async drive(number: number): Promise<void> {
    report('driving', number)
    const kind = kindOf(number)
    const definition = this.#workload.byName[kind] as Workflow
    const input = kind === 'rounds' ? { number, round: 1 } : number
    const timeout = kind === 'timeout' ? { executionTimeout: 25 } : {}
    const execution = await this.#engine.start(definition, input, { id: idOf(number), ...timeout })
    report('started', number, String(execution.runId))
    let payload = 0
    for (const requestId of signalIdsOf(number)) {
      payload += 1
      if (kind === 'updates') await this.#update(number)
      if (kind === 'updates') await execution.signal(finish, undefined, { requestId })
      else await execution.signal(part, payload, { requestId })
      report('signalled', number, requestId)
      if (payload === 2) await execution.signal(part, payload, { requestId })
    }
    if (kind === 'cancel') await unlessClosed(execution.cancel('enough'))
    if (kind === 'terminate') await unlessClosed(execution.terminate('enough'))
    if (kind === 'reopen') {
      const status = await statusOf(execution.result())
      if (status === 'failed') {
        this.#workload.mend(idOf(number))
        await execution.retry()
      }
    }
    const ended = execution.result().then(
      (result) => report('ended', number, 'completed', JSON.stringify(result)),
      (error) => {
        if (!(error instanceof ExecutionFailedError)) throw error
        report('ended', number, error.status, null)
      },
    )
    await ended
  }

  async #update(number: number): Promise<void> {
    const execution = this.#engine.execution(this.#workload.byName.updates as Workflow, idOf(number))
    for (const by of [5, 7]) {
      const updateId = `${idOf(number)}+${by}`
      const total = await execution.update(add, by, { updateId })
      report('updated', number, updateId, JSON.stringify(total))
    }
  }
}

async function unlessClosed(call: Promise<void>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!(error instanceof PerdureError && error.code === 'EXECUTION_CLOSED')) throw error
  }
}

async function statusOf(result: Promise<unknown>): Promise<string> {
  try {
    await result
    return 'completed'
  } catch (error) {
    if (error instanceof ExecutionFailedError) return error.status
    throw error
  }
}

async function obey(order: Order): Promise<void> {
  const workload = mixedWorkload(order.directory, order.round)
  const engine = await createEngine({
    store: createSqliteStore(`${order.directory}/store.db`, { synchronous: order.synchronous }),
    workflows: workload.workflows,
    shutdownGrace: 200,
    onFailed: (error) => report('failed', codeOf(error.cause), error.message),
  })
  report('ready')
  const driver = new Driver(engine, workload)
  const cases = [...order.cases]
  let { nextCase } = order
  let isClosing = false
  const lane = async (): Promise<void> => {
    for (;;) {
      const number = cases.shift() ?? (nextCase === undefined ? undefined : nextCase++)
      if (number === undefined) return
      try {
        await driver.drive(number)
      } catch (error) {
        if (isClosing && codeOf(error) === 'ENGINE_CLOSED') return
        report('rejected', number, codeOf(error), error instanceof Error ? error.message : String(error))
        if (engine.isFailed) return
      }
    }
  }
  const lanes = Promise.all(Array.from({ length: order.inFlight }, lane))
  if (order.closeAfterMs !== undefined) {
    await delay(order.closeAfterMs)
    isClosing = true
    await engine.close()
  }
  await lanes
  await engine.close()
  report('done')
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

report('loaded')
const lines = createInterface({ input: process.stdin })
for await (const line of lines) {
  await obey(JSON.parse(line) as Order).catch((error) =>
    report('failed', codeOf(error), error instanceof Error ? error.message : String(error)),
  )
  break
}
lines.close()
