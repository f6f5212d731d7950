/** Judges a simulation of dispatch when all is at rest. */
import type { TaskState } from '../../../src/core/task/task-record.ts'
import type { OpenedEngine } from '../../../src/server/open-engine.ts'
import type { TaskRow } from '../../../src/store/contract/task-rows.ts'
import type { DispatchLoad } from './dispatch-load.ts'
import { FATAL, LOSSES_MAX, MAX_ATTEMPTS } from './dispatch-rules.ts'
import type { DispatchWorld } from './dispatch-world.ts'
import type { WorkerProcesses } from './worker-processes.ts'

/** Every place of every worker is free again, and every worker is there. */
export function checkCredits(world: DispatchWorld, opened: OpenedEngine, processes: WorkerProcesses): void {
  const { crew } = opened.engine.tasks
  const members = [...crew.members()].filter(({ profile }) => profile.isLocal !== true)
  const { books, plan } = world
  if (books.out > 0) world.fault(`at rest ${books.out} tokens are good`)
  if (members.length !== plan.workers)
    world.fault(`at rest ${members.length} of ${plan.workers} workers are connected`)
  for (const { id, taken, givenUp, free, credits } of members) {
    if (taken !== 0 || givenUp !== 0 || free !== credits)
      world.fault(`at rest worker ${id} has ${taken} tasks, ${givenUp} given up, ${free} of ${credits} free`)
    for (const { crew: ofQueue } of opened.engine.tasks.queues.all()) {
      const inFlight = ofQueue.fleet.get(id)?.inFlight ?? 0
      if (inFlight !== 0) world.fault(`at rest the balancer counts ${inFlight} tasks of worker ${id}`)
    }
  }
  const meant = Array.from({ length: plan.workers }, (_, at) => processes.creditsOf(at)).toSorted()
  const told = members.map(({ credits }) => credits).toSorted()
  if (told.join() !== meant.join()) world.fault(`at rest the credits are ${told}, not ${meant}`)
}

/** Every task that was acknowledged has ended, once, as the rules say. */
export function checkTasks(world: DispatchWorld, load: DispatchLoad): void {
  const { tasks } = world.base.durable
  for (const fault of tasks.faults) world.fault(fault)
  for (const { id, text } of tasks.endedTwice)
    if (world.books.tasks.get(id)?.mayBeRetried !== true) world.fault(`task ${id} ${text}`)
  const rows = new Map(world.base.state.tasks.list({ limit: 1e9 }).map((row) => [row.id, row]))
  for (const id of load.acknowledged)
    if (!rows.has(id)) world.fault(`task ${id} was acknowledged, and is lost`)
  for (const row of rows.values()) checkTask(world, row, load.expiring.has(row.id ?? ''))
}

function checkTask(world: DispatchWorld, { id, status, state: text }: TaskRow, mayExpire: boolean): void {
  const book = world.books.tasks.get(id ?? '')
  if (book === undefined) {
    world.fault(`task ${id} was never asked for`)
    return
  }
  const state = text === null ? {} : (JSON.parse(text) as TaskState)
  const isExact = !world.plan.hasStoreFaults && !book.mayBeRetried
  const is = `task ${id} is ${status}`
  const isPoisoned = state.failure?.code === 'TASK_POISON'
  switch (status) {
    case 'completed':
      world.counters.completed += 1
      if (!book.results.includes(JSON.stringify(state.result)))
        world.fault(`${is} with ${JSON.stringify(state.result)}, which nobody told who ran it`)
      break
    case 'failed':
      if (!isPoisoned && state.failure?.name !== FATAL && state.attempts !== MAX_ATTEMPTS)
        world.fault(`${is} after ${state.attempts} attempts`)
      if (isExact && isPoisoned !== book.losses >= LOSSES_MAX)
        world.fault(`${is} with ${state.failure?.code}, and ${book.losses} workers were lost with it`)
      break
    case 'cancelled':
      if (!book.mayBeCancelled) world.fault(`${is}, and nobody asked for it`)
      break
    case 'expired':
      if (!mayExpire) world.fault(`${is}, and has no time limit`)
      break
    default:
      world.fault(`${is} in the end`)
  }
  if (!isExact) return
  const isQuiet = book.status === 'open' && (status === 'cancelled' || status === 'expired')
  if (book.status !== status && !isQuiet) world.fault(`${is}, and was told to be ${book.status}`)
  if (status === 'completed' && book.results.length !== 1)
    world.fault(`${is}, and was told to be so ${book.results.length} times`)
}
