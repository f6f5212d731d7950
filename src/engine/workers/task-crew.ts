/**
 * All workers of tasks: in this process, and wherever else one has connected from.
 *
 * 1. A task takes a place of its worker from when it is taken from its queue. The place is free again when the worker told
 *    the end of the task; if the engine gave the task up, when the worker said that its function has really ended.
 * 2. A worker without a free place is in no candidates of a queue in which something waits. Other queues are told of what
 *    has changed when something waits in them: changes have numbers.
 * 3. The id of a worker is its own within its namespace: tenants do not learn of each other by the ids of their workers. One that
 *    serves all namespaces, as that of this process, has its id in each.
 */
import type { PickRequest, WorkerLoad } from '../../core/balance/load-balancer.ts'
import type { Clock } from '../../platform/clock.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { type Failure, failureOf } from '../../protocol/failure.ts'
import type { TaskDispatch, TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import type { LiveQueue } from '../tasks/live-queue.ts'
import type { LiveTask } from '../tasks/live-task.ts'
import { CrewMember, type WorkerProfile } from './crew-member.ts'

export class TaskCrew {
  readonly #clock: Clock
  readonly #members = new Set<CrewMember<LiveTask>>()
  readonly #byId = new Map<string, Map<string | undefined, CrewMember<LiveTask>>>()
  readonly #queues = new Set<LiveQueue>()
  /** Those in which something waits. */
  readonly #awake = new Set<LiveQueue>()
  #change = 0
  /** Members that have a free place. */
  #roomy = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  members(): Iterable<CrewMember<LiveTask>> {
    return this.#members
  }

  /** @param namespace undefined: in all of them */
  has(id: string, namespace: string | undefined): boolean {
    const known = this.#byId.get(id)
    return known !== undefined && (namespace === undefined || known.has(namespace) || known.has(undefined))
  }

  get hasRoom(): boolean {
    return this.#roomy > 0
  }

  /** Throws `WORKER_ID_TAKEN` if a worker of its namespace with this id is here. */
  join(profile: WorkerProfile, port: TaskWorkerPort<LiveTask>): CrewMember<LiveTask> {
    if (this.has(profile.id, profile.namespace))
      throw new PerdureError('WORKER_ID_TAKEN', `a worker with the id ${profile.id} is connected`)
    const member = new CrewMember<LiveTask>(profile, port)
    member.isFull = member.free <= 0
    if (!member.isFull) this.#roomy += 1
    this.#members.add(member)
    const known = this.#byId.get(member.id)
    if (known === undefined) this.#byId.set(member.id, new Map([[profile.namespace, member]]))
    else known.set(profile.namespace, member)
    const nowMs = this.#clock.nowMs()
    try {
      for (const { key, crew } of this.#queues) if (member.serves(key)) crew.join(member, nowMs)
    } catch (error) {
      // A queue that has too many workers already.
      this.leave(member)
      throw error
    }
    return member
  }

  /** It gets nothing any more. What it has is the caller's to give to others. */
  leave(member: CrewMember<LiveTask>): void {
    if (!this.#members.delete(member)) return
    const known = this.#byId.get(member.id)
    known?.delete(member.profile.namespace)
    if (known?.size === 0) this.#byId.delete(member.id)
    member.hasLeft = true
    if (!member.isFull) this.#roomy -= 1
    const nowMs = this.#clock.nowMs()
    for (const { crew } of this.#queues) crew.leave(member, nowMs)
  }

  /** A queue is there, and looks for workers. */
  opened(live: LiveQueue): void {
    this.#queues.add(live)
    live.crew.rests(this.#change)
    const nowMs = this.#clock.nowMs()
    for (const member of this.#members) if (member.serves(live.key)) live.crew.join(member, nowMs)
  }

  /** Something waits in it. */
  wake(live: LiveQueue): void {
    this.#awake.add(live)
    live.crew.wake(this.#change, this.#clock.nowMs())
  }

  /** Nothing waits in it. */
  rests(live: LiveQueue): void {
    if (this.#awake.delete(live)) live.crew.rests(this.#change)
  }

  /** The queue is another node's, or forgotten. */
  closed(live: LiveQueue): void {
    this.#queues.delete(live)
    this.#awake.delete(live)
  }

  /** The queues are forgotten. */
  reset(): void {
    this.#queues.clear()
    this.#awake.clear()
  }

  /** Gives a task that its queue has given to a worker; `canServe` has just said that there is one at this time. */
  take(live: LiveQueue, task: LiveTask, nowMs: number): void {
    const { crew } = live
    const member = this.#pick(live, task, nowMs)
    task.member = member
    task.crew = crew
    task.isStarted = false
    member.taken += 1
    this.#weigh(member)
  }

  #pick({ crew, key }: LiveQueue, task: LiveTask, nowMs: number): CrewMember<LiveTask> {
    try {
      return crew.take(task.lane.classId, requestOf(task), nowMs)
    } catch (error) {
      // Whose balancer it was is all that helps whoever wrote it.
      throw new Error(`the load balancer of queue ${key.queue} failed: ${failureOf(error).message}`, {
        cause: error,
      })
    }
  }

  start(task: LiveTask, dispatch: TaskDispatch<LiveTask>): void {
    task.isStarted = true
    task.member?.port.start(dispatch)
  }

  /** Nobody waits for the end of the task any more. The caller then says that it has ended. */
  giveUp(task: LiveTask, reason: Failure): void {
    const { member } = task
    if (member === undefined || !task.isStarted || member.hasLeft) return
    member.givenUp += 1
    member.port.abort(task, reason)
  }

  /** It does not run any more, and its lane is still that which it was taken from. */
  ended(task: LiveTask, durationMs: number, failed: boolean): void {
    const { member, crew } = task
    if (member === undefined || crew === undefined) return
    task.member = undefined
    task.crew = undefined
    member.taken -= 1
    crew.ended(member, task.lane.classId, { durationMs, failed }, this.#clock.nowMs())
    this.#weigh(member)
  }

  /** The function of a task that was given up has ended. */
  placeFreed(member: CrewMember<LiveTask>): void {
    member.givenUp -= 1
    this.#weigh(member)
  }

  /** It takes so many tasks at once from now on. */
  setCredits(member: CrewMember<LiveTask>, credits: number): void {
    const isOther = member.credits > 0 !== credits > 0
    member.credits = credits
    if (member.hasLeft) return
    if (isOther) for (const { key, crew } of this.#queues) if (member.serves(key)) crew.changed()
    // The candidates know the old number.
    this.#tell(member)
    this.#weigh(member)
  }

  reported(member: CrewMember<LiveTask>, load: WorkerLoad): void {
    this.#change += 1
    member.loadChange = this.#change
    member.load = load
    const nowMs = this.#clock.nowMs()
    for (const live of this.#queues)
      if (live.isActive || live.queue.limits.running > 0) live.crew.tellLoad(member, this.#change, nowMs)
  }

  #weigh(member: CrewMember<LiveTask>): void {
    const isFull = member.free <= 0
    if (isFull === member.isFull || member.hasLeft) return
    member.isFull = isFull
    this.#roomy += isFull ? -1 : 1
    this.#tell(member)
  }

  #tell(member: CrewMember<LiveTask>): void {
    this.#change += 1
    member.placesChange = this.#change
    const nowMs = this.#clock.nowMs()
    for (const { crew } of this.#awake) crew.tellPlaces(member, nowMs)
  }
}

function requestOf({ spec, seq }: LiveTask): PickRequest {
  return {
    hashKey: spec.key ?? String(seq),
    ...(spec.client === undefined ? {} : { clientAddress: spec.client }),
    ...(spec.affinity === undefined ? {} : { affinityKey: spec.affinity }),
  }
}
