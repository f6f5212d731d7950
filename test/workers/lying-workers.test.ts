// Workers that say anything at any time: every task ends as one that held its token said, and no place is lost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RemoteTaskWorker } from '../../src/engine/workers/remote-task-worker.ts'
import { silentLogger } from '../../src/index.ts'
import { platformFailure } from '../../src/protocol/failure.ts'
import type { Payload } from '../../src/protocol/payload.ts'
import type { TaskDispatch, TaskWorkerHost } from '../../src/protocol/task-worker-port.ts'
import type { EngineMessage, TaskReport } from '../../src/protocol/worker-messages.ts'

const CASES = 100_000
const TASKS = 3
const WORKERS = 2
const KINDS = ['completed', 'failed', 'yielded', 'returned', 'heartbeat', 'progress', 'released'] as const
const VALUE: Payload = [1, 'json', null, 1]
const FAILURE = platformFailure('CANCELLED', 'enough')

/** What happens: a task is given, a task is given up, or a worker says something with some token. */
type Act =
  | { readonly act: 'start'; readonly task: number; readonly worker: number }
  | { readonly act: 'abort'; readonly task: number }
  | {
      readonly act: 'say'
      readonly worker: number
      readonly kind: (typeof KINDS)[number]
      readonly token: number
    }

const worker = fc.nat({ max: WORKERS - 1 })
const someTask = fc.nat({ max: TASKS - 1 })
const acts = fc.array(
  fc.oneof(
    fc.record({ act: fc.constant('start' as const), task: someTask, worker }),
    fc.record({ act: fc.constant('abort' as const), task: someTask }),
    // A token of all that were ever given out, to whomever, or one that never was.
    fc.record({
      act: fc.constant('say' as const),
      worker,
      kind: fc.constantFrom(...KINDS),
      token: fc.nat({ max: 8 }),
    }),
  ),
  { maxLength: 24 },
)

/** Two workers, the engine's books beside them, and the tokens as they were given out. */
class World {
  /** Worker that the engine believes to run the task. */
  readonly runs = new Map<number, number>()
  /** Places of each worker that are taken. */
  readonly taken = [0, 0]
  readonly given: {
    readonly token: string
    readonly worker: number
    readonly task: number
    state: string
  }[] = []
  readonly rejected: string[] = []
  readonly told: number[] = []
  readonly workers: RemoteTaskWorker<number>[]

  constructor() {
    this.workers = [0, 1].map(
      (id) =>
        new RemoteTaskWorker<number>({
          id: `w${id}`,
          tasks: ['work'],
          host: this.#host(id),
          logger: silentLogger,
          newToken: () => `token-${this.given.length}`,
          send: (message) => this.#sent(id, message),
        }),
    )
  }

  do(act: Act): void {
    if (act.act === 'start') this.#start(act.task, act.worker)
    else if (act.act === 'abort') this.#abort(act.task)
    else this.#say(act.worker, act.kind, act.token)
  }

  #start(task: number, at: number): void {
    if (this.runs.has(task)) return
    this.runs.set(task, at)
    this.taken[at] = (this.taken[at] ?? 0) + 1
    const dispatch = {
      owner: task,
      id: `t${task}`,
      name: 'work',
      input: VALUE,
      attempt: 1,
      idempotencyKey: 'k',
    }
    this.workers[at]?.start({
      ...dispatch,
      checkpoint: undefined,
      quantumMs: undefined,
    } as TaskDispatch<number>)
  }

  #abort(task: number): void {
    const at = this.runs.get(task)
    if (at === undefined) return
    this.runs.delete(task)
    this.workers[at]?.abort(task, FAILURE)
  }

  #say(at: number, kind: (typeof KINDS)[number], index: number): void {
    const known = this.given[index]
    const token = known?.token ?? 'forged'
    const isMine = known?.worker === at
    const state = isMine ? known.state : 'void'
    const before = { told: this.told.length, taken: [...this.taken], rejected: this.rejected.length }
    this.workers[at]?.receive(reportOf(kind, token))
    const isLife = kind === 'heartbeat' || kind === 'progress'
    const isEnd = !isLife && kind !== 'released'
    const told = this.told.length - before.told
    const rejected = this.rejected.length - before.rejected
    const freed = (before.taken[at] ?? 0) - (this.taken[at] ?? 0)
    if (state === 'void') assert.deepEqual([told, freed, rejected], [0, 0, 1], `${kind} of a void token`)
    else if (state === 'aborted')
      assert.deepEqual(
        [told, freed, rejected],
        isLife ? [0, 0, 0] : [0, 1, isEnd ? 1 : 0],
        `${kind} after abort`,
      )
    else assert.deepEqual([told, freed, rejected], isEnd ? [1, 1, 0] : [0, 0, isLife ? 0 : 1], kind)
    if (isMine && known !== undefined && freed === 1) known.state = 'void'
  }

  #sent(at: number, message: EngineMessage): void {
    if (message.type === 'task')
      this.given.push({
        token: message.token,
        worker: at,
        task: Number(message.id.slice(1)),
        state: 'running',
      })
    else if (message.type === 'abort') {
      const known = this.given.find(({ token }) => token === message.token)
      assert.equal(known?.state, 'running')
      known.state = 'aborted'
    } else if (message.type === 'rejected') this.rejected.push(message.token)
  }

  #host(at: number): TaskWorkerHost<number> {
    const ended = (task: number): void => {
      assert.equal(this.runs.get(task), at, 'only a task that runs there ends')
      this.runs.delete(task)
      this.told.push(task)
      this.taken[at] = (this.taken[at] ?? 0) - 1
    }
    return {
      onTaskCompleted: ended,
      onTaskFailed: ended,
      onTaskYielded: ended,
      onTaskReturned: ended,
      onTaskHeartbeat: (task) => assert.equal(this.runs.get(task), at),
      onTaskProgress: (task) => assert.equal(this.runs.get(task), at),
      onTaskSlotFree: () => {
        this.taken[at] = (this.taken[at] ?? 0) - 1
      },
    }
  }
}

function reportOf(type: (typeof KINDS)[number], token: string): TaskReport {
  if (type === 'completed') return { type, token, result: VALUE }
  if (type === 'failed') return { type, token, failure: FAILURE }
  if (type === 'yielded') return { type, token, checkpoint: VALUE }
  if (type === 'progress') return { type, token, fraction: 0.5 }
  return { type, token }
}

test(`${CASES} lying workers change nothing but what they hold`, () => {
  fc.assert(
    fc.property(acts, (order) => {
      const world = new World()
      for (const act of order) world.do(act)
      // Tokens that are not void are exactly the places that are taken.
      for (const [at, each] of world.workers.entries()) {
        assert.equal(each.dispatched, world.taken[at])
        assert.equal(
          world.given.filter(({ worker, state }) => worker === at && state !== 'void').length,
          each.dispatched,
        )
      }
    }),
    { numRuns: CASES },
  )
})
