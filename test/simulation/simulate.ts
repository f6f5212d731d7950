/**
 * One simulated run of the engine on a simulated store: a phase with faults, a phase without in which all work must end,
 * and the judgement of the checker.
 */
import { Calls } from './calls.ts'
import { checkTasks } from './check-tasks.ts'
import { check } from './checker.ts'
import type { Facts, StoreDump } from './facts.ts'
import { Life } from './life.ts'
import { TaskWorkload } from './task-workload.ts'
import { Workload } from './workload.ts'
import { type Counters, START_MS, World } from './world.ts'

/** Journal events and faults of a seed, at least. */
export const EVENTS_PER_SEED = 2000
/** Faults stop after this share of them; what is still open then makes more. */
const FAULTY_SHARE = 0.8
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
  /** Tasks instead of executions. Default false. */
  readonly isOfTasks?: boolean
}

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationReport> {
  const world = new World(seed, options)
  const life = new Life(world)
  const calls = new Calls(world, () => life.instance)
  const workload = world.isOfTasks ? new TaskWorkload(world, calls) : new Workload(world, calls)
  life.begin(calls)
  const goal = options.events ?? EVENTS_PER_SEED
  const happened = (): number => world.durable.events + faultCount(world)
  await work(world, life, calls, workload, () => happened() >= goal * FAULTY_SHARE)
  world.isFaulty = false
  world.note('faults stop')
  await runUntil(world, life, life.rest(calls), DRAIN_LIMIT_MS, 'rest')
  await drain(world, life, workload)
  if (happened() < goal) {
    await work(world, life, calls, workload, () => happened() >= goal)
    await drain(world, life, workload)
  }
  await runUntil(world, life, life.finish(calls), QUIET_LIMIT_MS, 'the end of the engine')
  const violations = [...world.faults, ...(await check(factsOf(world))), ...checkTasks(world)]
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

/** Called between any two macrotasks. */
export interface Disturber {
  disturb(): void
}

type Load = Pick<Workload, 'run' | 'drain'>

export async function work(
  world: World,
  life: Disturber,
  calls: Calls,
  workload: Load,
  isEnough: () => boolean,
): Promise<void> {
  const isOver = await runUntil(world, life, workload.run(isEnough), PHASE_LIMIT_MS, 'the end of the calls')
  if (isOver === undefined)
    world.faults.push(...[...calls.outstanding].map((call) => `I14: ${call}, was never answered`))
}

export async function drain(world: World, life: Disturber, workload: Load): Promise<void> {
  const isDrained = await runUntil(world, life, workload.drain(), DRAIN_LIMIT_MS, 'the end of all work')
  if (isDrained === false) world.faults.push('I14: executions are open long after the faults have stopped')
}

export async function runUntil<T>(
  world: World,
  life: Disturber,
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

export function faultCount({ counters }: World): number {
  const { crashes, closes, lateAcks, stalls, lostAcks, overtaken, lostCommits } = counters
  const { fences, failedCommits, refusals } = counters
  const ofCommits = lateAcks + lostAcks + overtaken + lostCommits + failedCommits + refusals
  return crashes + closes + stalls + fences + ofCommits
}

export function factsOf(world: World): Facts {
  const { acknowledgements, ledger, taskMarkers, reads, outages, plan, contestedIds, isClustered } = world
  const { skewMs, latenessMs } = plan
  const dump = dumpOf(world)
  return {
    acknowledgements,
    ledger,
    taskMarkers,
    reads,
    outages,
    dump,
    contestedIds,
    isClustered,
    skewMs,
    latenessMs,
  }
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
