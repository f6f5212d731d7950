/**
 * One simulated run of the dispatch of tasks: the shipped engine and shipped workers, each in a process of its own, speak
 * the worker protocol over a network with faults. Then the faults stop, all tasks must end, and the books are compared.
 */
import { silentLogger } from '../../../src/platform/logger.ts'
import { seededRandomness } from '../../../src/platform/randomness.ts'
import { EmbeddedEngine } from '../../../src/server/embedded-engine.ts'
import { type OpenedEngine, openEngine } from '../../../src/server/open-engine.ts'
import { SimulatedStore } from '../simulated-store.ts'
import { START_MS } from '../world.ts'
import { checkCredits, checkTasks } from './check-dispatch.ts'
import type { DispatchCounters } from './dispatch-counters.ts'
import { DispatchLoad } from './dispatch-load.ts'
import { DispatchWorld } from './dispatch-world.ts'
import { WorkerProcesses } from './worker-processes.ts'

/** Messages of a seed, at least. */
export const MESSAGES_PER_SEED = 10_000
/** Faults stop after this share of them. */
const FAULTY_SHARE = 0.8
const PHASE_LIMIT_MS = 4 * 3_600_000
/** A worker that alone can run some tasks may be ejected for minutes, again and again. */
const DRAIN_LIMIT_MS = 4 * 3_600_000
/** By then the engine has missed four heartbeats of a silent worker, and the next try to connect has been made. */
const REST_MS = 90_000
const DRAIN_CHECK_MS = 200
const VIOLATIONS_LIMIT = 20
/** For each commit or so, from outside. */
const FENCES_PER_TASK = 0.02

export interface DispatchReport {
  readonly seed: number
  readonly violations: readonly string[]
  readonly hash: string
  readonly simulatedMs: number
  readonly counters: DispatchCounters
}

export interface DispatchOptions {
  readonly messages?: number
  readonly print?: (line: string) => void
}

export async function simulateDispatch(seed: number, options: DispatchOptions = {}): Promise<DispatchReport> {
  const world = new DispatchWorld(seed, options.print)
  const { base, counters } = world
  const goal = options.messages ?? MESSAGES_PER_SEED
  const store = new SimulatedStore(base, { isAlive: true, kill: () => {} })
  const opened = await reached(world, store, open(world, store), 'the opening of the engine')
  if (opened !== undefined) {
    const processes = new WorkerProcesses(world, opened)
    const load = new DispatchLoad(world, new EmbeddedEngine(opened))
    await reached(
      world,
      store,
      load.run(() => counters.messages >= goal * FAULTY_SHARE),
      'the end of the calls',
    )
    base.isFaulty = false
    base.note('faults stop')
    processes.endFaults()
    await reached(world, store, drain(load), 'the end of all tasks')
    if (counters.messages < goal) {
      await reached(
        world,
        store,
        load.run(() => counters.messages >= goal),
        'the end of the calls',
      )
      await reached(world, store, drain(load), 'the end of all tasks')
    }
    await reached(world, store, load.pause(REST_MS), 'the rest')
    if (!opened.engine.isQuiet) world.fault('the engine does not come to rest')
    checkCredits(world, opened, processes)
    checkTasks(world, load)
  }
  counters.startedOver = base.counters.fences + base.counters.lostAcks + base.counters.lostCommits
  return {
    seed,
    violations: base.faults.slice(0, VIOLATIONS_LIMIT),
    hash: base.trace.hash,
    simulatedMs: base.nowMs - START_MS,
    counters,
  }
}

function open(world: DispatchWorld, store: SimulatedStore): Promise<OpenedEngine> {
  const { base, plan } = world
  const { clock } = base.scheduler
  const random = seededRandomness(Math.floor(base.engineRandom() * 2 ** 32))
  const policies = ['fcfs', 'priority', 'round-robin'] as const
  return openEngine(
    {
      store,
      queues: [
        {
          name: 'default',
          policy: policies[Math.floor(base.engineRandom() * policies.length)] ?? 'fcfs',
          balancer: plan.balancer,
        },
      ],
      logger: silentLogger,
      onFailed: (error) => world.fault(`the engine stopped itself: ${error.stack} ${error.cause}`),
    },
    {
      random,
      clock: {
        nowMs: () => clock.nowMs(),
        after: (ms, call) => clock.after(Math.max(1, ms), call),
        defer: (call) => clock.defer(call),
      },
    },
  )
}

async function drain(load: DispatchLoad): Promise<void> {
  while (load.open > 0) await load.pause(DRAIN_CHECK_MS)
}

/** Runs the simulation until this has come about. */
async function reached<T>(
  world: DispatchWorld,
  store: SimulatedStore,
  work: Promise<T>,
  what: string,
): Promise<T | undefined> {
  const { base } = world
  let done: { readonly value: T } | undefined
  let failure: unknown
  work.then(
    (value) => {
      done = { value }
    },
    (error) => {
      failure = error
    },
  )
  const limitMs = base.isFaulty ? PHASE_LIMIT_MS : DRAIN_LIMIT_MS
  const end = await base.scheduler.run(
    () => done !== undefined || failure !== undefined || base.faults.length > VIOLATIONS_LIMIT,
    base.nowMs + limitMs,
    () => fence(world, store),
  )
  if (failure !== undefined) throw failure
  if (done !== undefined) return done.value
  world.fault(`${what} was not reached: ${end} after ${base.nowMs - START_MS} ms`)
  return undefined
}

/** Now and then somebody fences the session of the engine. */
function fence({ base, plan }: DispatchWorld, { session }: SimulatedStore): void {
  if (plan.store.rates.fenced === 0 || session === undefined) return
  if (!base.draw(plan.store.rates.fenced * FENCES_PER_TASK)) return
  const known = base.state.sessions.get(session.id)
  if (known === undefined || known.fenced) return
  known.fenced = true
  base.counters.fences += 1
  base.note(`session ${session.id} is fenced by another`)
}
