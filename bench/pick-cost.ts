/** What one decision costs, in nanoseconds: a tight loop in a process of its own, so that each strategy is compiled for itself. */
import { createBalancer } from '../src/core/balance/balancers.ts'
import type { PickRequest } from '../src/core/balance/load-balancer.ts'
import { WorkerFleet } from '../src/core/balance/worker-fleet.ts'
import { policyOf } from '../src/core/queue/policies.ts'
import { type QueuedTask, TaskQueue } from '../src/core/queue/task-queue.ts'
import { seededRandomness } from '../src/platform/randomness.ts'
import { BALANCER_NAMES, POLICY_NAMES } from '../src/protocol/queue-settings.ts'

/** Decisions of one kind by one strategy. */
export interface PickCase {
  readonly kind: string
  readonly name: string
  readonly sizes: readonly number[]
  /** How long each loop is timed. */
  readonly loopMs: number
  /** Loops to time by what they measure; each call makes one decision. */
  readonly loopsOf: (size: number) => Readonly<Record<string, () => void>>
}

export interface PickOrder {
  readonly kind: string
  readonly name: string
  readonly sizes: readonly number[]
  readonly loopMs: number
}

/** Nanoseconds by what is measured, then by size in the order's sequence. */
export type PickCosts = Readonly<Record<string, readonly number[]>>

const REQUESTS = 4096
const CREDITS = 16
const TICKS_PER_LOOK = 256

const requests: readonly PickRequest[] = Array.from({ length: REQUESTS }, (_, i) => ({
  hashKey: `order/${i}`,
  clientAddress: `192.0.${i % 64}.${i >> 6}`,
}))
const completion = { durationMs: 5, failed: false }

const balancerCase = (name: string): PickCase => ({
  kind: 'balancer',
  name,
  sizes: [4, 64, 1024],
  loopMs: 200,
  loopsOf: (size) => ({ pick: pickLoop(fleetOf(name, size)), turn: turnLoop(fleetOf(name, size)) }),
})

const policyCase = (name: (typeof POLICY_NAMES)[number]): PickCase => ({
  kind: 'policy',
  name,
  sizes: [10, 1000, 1_000_000],
  loopMs: 1000,
  loopsOf: (size) => ({ turn: taskLoop(name, size) }),
})

export const PICK_CASES: readonly PickCase[] = [
  ...BALANCER_NAMES.map(balancerCase),
  ...POLICY_NAMES.map(policyCase),
]

const TASK_NAMES = 4
const KEYS = 100

/** What a queue does for each task: one is placed and waits, the next one is taken and ends. As many wait all the time. */
function taskLoop(name: (typeof POLICY_NAMES)[number], size: number): () => void {
  const policy = policyOf({ name })
  const queue = new TaskQueue<QueuedTask>({ policy, windowTasks: Number.POSITIVE_INFINITY }, 0)
  const random = seededRandomness(1)
  let seq = 0
  const add = (): void => {
    const about = {
      name: `task-${seq % TASK_NAMES}`,
      key: `tenant-${seq % KEYS}`,
      priority: Math.floor(random() * 10),
      estimateMs: random() * 100,
      enqueuedMs: seq,
      order: seq,
    }
    queue.backlog.add({ seq, about, ...queue.place(about, about.name) })
    seq += 1
  }
  for (let i = 0; i < size; i++) add()
  return () => {
    add()
    const taken = queue.take(seq, () => true)
    if (taken.kind !== 'task') throw new Error('no task waits')
    queue.ended(taken.task, 5)
  }
}

function fleetOf(name: string, size: number): WorkerFleet {
  const fleet = new WorkerFleet(createBalancer(name, {}, seededRandomness(1)))
  for (let i = 0; i < size; i++) fleet.add({ id: `worker-${i}`, weight: 1 + (i % 3), capacity: CREDITS }, 0)
  return fleet
}

/** Gives a task to every free credit of the fleet, up to a number; the ids of the workers that got one. */
function fill(fleet: WorkerFleet, tasks: number): string[] {
  return Array.from({ length: tasks }, (_, i) => {
    const id = pickedId(fleet, i, 0)
    fleet.started(id, 0)
    fleet.finished(id, completion, 0)
    fleet.started(id, 0)
    return id
  })
}

function pickedId(fleet: WorkerFleet, i: number, nowMs: number): string {
  const worker = fleet.pick(requests[i % REQUESTS] ?? {}, nowMs)
  if (worker === undefined) throw new Error('no worker is free')
  return worker.id
}

/** Picks alone, half of all credits in use. */
function pickLoop(fleet: WorkerFleet): () => void {
  let i = 0
  fill(fleet, (fleet.candidateCount * CREDITS) / 2)
  return () => {
    pickedId(fleet, i, i / 50)
    i++
  }
}

/** What a backlogged queue does for each task: one ends, the next gets its credit. All others are in use. */
function turnLoop(fleet: WorkerFleet): () => void {
  let i = 0
  const running = fill(fleet, fleet.candidateCount * CREDITS)
  return () => {
    const nowMs = i / 50
    const at = (i * 7919) % running.length
    fleet.finished(running[at] ?? '', completion, nowMs)
    const id = pickedId(fleet, i, nowMs)
    fleet.started(id, nowMs)
    running[at] = id
    i++
  }
}

export function measurePicks({ kind, name, sizes, loopMs }: PickOrder): PickCosts {
  const found = PICK_CASES.find((each) => each.kind === kind && each.name === name)
  if (found === undefined) throw new Error(`no ${kind} is called '${name}'`)
  const costs: Record<string, number[]> = {}
  for (const size of sizes) {
    for (const [what, loop] of Object.entries(found.loopsOf(size))) {
      nanosecondsOf(loop, loopMs / 2)
      costs[what] = [...(costs[what] ?? []), nanosecondsOf(loop, loopMs)]
    }
  }
  return costs
}

function nanosecondsOf(loop: () => void, forMs: number): number {
  const startMs = performance.now()
  let calls = 0
  let elapsedMs = 0
  while (elapsedMs < forMs) {
    for (let i = 0; i < TICKS_PER_LOOK; i++) loop()
    calls += TICKS_PER_LOOK
    elapsedMs = performance.now() - startMs
  }
  return (elapsedMs * 1e6) / calls
}
