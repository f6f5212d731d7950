/**
 * One simulated run of the engine on a simulated store: a phase with faults, a phase without in which all work must end,
 * and the judgement of the checker.
 */
import { Calls } from './calls.ts'
import { check } from './checker.ts'
import type { StoreDump } from './facts.ts'
import { Instance } from './instance.ts'
import { Workload } from './workload.ts'
import { type Counters, START_MS, World } from './world.ts'

/** Journal events and faults of a seed, at least. */
export const EVENTS_PER_SEED = 2000
/** The phase with faults may take this long on the simulated clock, and the phase without. */
const PHASE_LIMIT_MS = 4 * 3_600_000
const DRAIN_LIMIT_MS = 3_600_000
const QUIET_LIMIT_MS = 120_000

export interface SimulationReport {
  readonly seed: number
  readonly violations: readonly string[]
  readonly hash: string
  readonly events: number
  readonly faults: number
  readonly tasks: number
  readonly simulatedMs: number
  readonly counters: Counters
  readonly crashesBySite: World['crashesBySite']
}

export interface SimulationOptions {
  readonly events?: number
  readonly print?: (line: string) => void
}

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationReport> {
  const world = new World(seed, options.print)
  const calls = new Calls(world)
  const life = new Life(world, calls)
  const workload = new Workload(world, calls)
  life.begin()
  const goal = options.events ?? EVENTS_PER_SEED
  const isEnough = (): boolean => world.durable.events + faultCount(world) >= goal
  const clients = workload.run(isEnough)
  const isPhaseOver = await runUntil(world, life, clients, PHASE_LIMIT_MS, 'the phase with faults')
  if (isPhaseOver === undefined)
    world.faults.push(...[...calls.outstanding].map((call) => `I14: ${call}, was never answered`))
  world.isFaulty = false
  world.note('faults stop')
  const drained = workload.drain()
  const isDrained = await runUntil(world, life, drained, DRAIN_LIMIT_MS, 'the end of all work')
  if (isDrained === false) world.faults.push('I14: executions are open long after the faults have stopped')
  await runUntil(world, life, life.finish(), QUIET_LIMIT_MS, 'the end of the engine')
  const facts = { ...world, dump: dumpOf(world), skewMs: world.plan.skewMs }
  const violations = [...world.faults, ...(await check(facts))]
  for (const violation of violations) world.note(violation)
  return {
    seed,
    violations,
    hash: world.trace.hash,
    events: world.durable.events,
    faults: faultCount(world),
    tasks: world.scheduler.tasks,
    simulatedMs: world.nowMs - START_MS,
    counters: world.counters,
    crashesBySite: world.crashesBySite,
  }
}

/** Instances one after the other. */
class Life {
  readonly #world: World
  readonly #calls: Calls
  #number = 0
  #isOver = false
  #isClosing = false

  constructor(world: World, calls: Calls) {
    this.#world = world
    this.#calls = calls
  }

  begin(): void {
    const world = this.#world
    this.#number += 1
    const diedAtMs = world.nowMs
    const instance = new Instance(world, this.#number, () => this.#died(world.nowMs))
    world.instance = instance
    this.#isClosing = false
    instance.open().then(
      () => {
        world.outage(diedAtMs, world.nowMs)
        this.#calls.becameReady()
      },
      (error) => {
        if (!instance.isAlive) return
        world.note(`instance ${instance.number} did not open: ${error}`)
        if (!world.isFaulty) world.faults.push(`the engine did not open: ${error}`)
        instance.kill('failed')
      },
    )
  }

  /** Between two macrotasks. */
  disturb(): void {
    const world = this.#world
    const { instance, plan } = world
    if (!world.isFaulty || instance === undefined || !instance.isAlive) return
    if (world.drawCrash('between-tasks')) {
      instance.kill('between-tasks')
      return
    }
    const { session } = instance.store
    if (session === undefined) return
    // Once per macrotask is far more often than once per commit.
    const share = world.crashRandom()
    if (share < plan.rates.fenced * 0.05) {
      world.counters.fences += 1
      world.note(`session ${session.id} is fenced by another`)
      const known = world.state.sessions.get(session.id)
      if (known !== undefined) known.fenced = true
    } else if (share > 1 - plan.rates.close * 0.05) this.#close(instance)
  }

  async finish(): Promise<void> {
    const world = this.#world
    const { instance } = world
    while (instance?.engine?.isQuiet !== true) await this.#calls.pause(50)
    await this.#calls.pause(1000)
    if (this.#calls.waitingForResults > 0)
      world.faults.push(`${this.#calls.waitingForResults} calls still wait for the result of an execution`)
    if (instance.store.inFlight > 0) world.faults.push('a commit is in flight after all work has ended')
    this.#isOver = true
    await instance.engine.close()
  }

  #close(instance: Instance): void {
    if (this.#isClosing || instance.engine === undefined) return
    this.#isClosing = true
    const world = this.#world
    world.counters.closes += 1
    world.note(`instance ${instance.number} closes`)
    instance.engine.close().then(
      // Its callers get their answers in microtasks; then the process ends.
      () => world.scheduler.clock.after(1, () => instance.kill('closed')),
      (error) => world.faults.push(`close failed: ${error}`),
    )
  }

  #died(diedAtMs: number): void {
    if (this.#isOver) return
    const world = this.#world
    const downMs = Math.floor(world.crashRandom() ** 3 * 3000)
    world.outage(diedAtMs, diedAtMs + downMs)
    world.scheduler.clock.after(downMs, () => this.begin())
  }
}

async function runUntil<T>(
  world: World,
  life: Life,
  work: Promise<T>,
  limitMs: number,
  what: string,
): Promise<T | undefined> {
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
  const end = await world.scheduler.run(
    () => done !== undefined || failure !== undefined,
    world.nowMs + limitMs,
    () => life.disturb(),
  )
  if (failure !== undefined) throw failure
  if (done !== undefined) return done.value
  world.faults.push(`I14: ${what} was not reached: ${end} after ${world.nowMs - START_MS} ms`)
  return undefined
}

function faultCount({ counters, outages }: World): number {
  const { crashes, closes, lateAcks, stalls, lostAcks, overtaken, lostCommits } = counters
  const { fences, failedCommits, refusals } = counters
  const all = crashes + closes + lateAcks + stalls + lostAcks + overtaken + lostCommits
  return outages.length === 0 ? 0 : all + fences + failedCommits + refusals
}

function dumpOf({ state }: World): StoreDump {
  const outbox: StoreDump['outbox'][number][] = []
  state.outbox.ascend(undefined, (row) => {
    outbox.push(row)
    return true
  })
  const runs = [...state.runs.values()].map((run) => ({
    runId: run.runId,
    row: run.row,
    entries: run.entries,
    timers: [...(run.timers?.values() ?? [])],
  }))
  return { runs, outbox, currents: state.currents }
}
