/** The workers of one queue: whether one can take a task of a class now, and which one gets it. */
import type { BalancedWorker, Completion, PickRequest } from '../../core/balance/load-balancer.ts'
import type { WorkerFleet } from '../../core/balance/worker-fleet.ts'
import type { CrewMember } from './crew-member.ts'
import { parseClassId, type TaskClass } from './task-class.ts'

interface KnownClass {
  readonly kind: TaskClass
  readonly accepts: (worker: BalancedWorker) => boolean
  /** Each member can run it at any time: nobody has to be asked. */
  readonly isForAll: boolean
  /** Members that can run it, and take tasks: one of them is not ejected. */
  readonly size: number
  has(worker: BalancedWorker): boolean
}

/** The workers of a queue that can run a class of tasks, and what they have. */
export interface ClassPlaces {
  /** Of workers that would take such a task now. */
  readonly free: number
  /** Of workers that have too little left of what it requires. */
  readonly short: number
  /** Tasks of all queues that they run. */
  readonly running: number
  readonly ejected: readonly { readonly id: string; readonly untilMs: number }[]
}

/** Beyond that they are parsed again. */
const CLASSES_MAX = 10_000

export class QueueCrew<Task> {
  readonly fleet: WorkerFleet
  readonly #bySlot: (CrewMember<Task> | undefined)[] = []
  readonly #members = new Set<CrewMember<Task>>()
  readonly #classes = new Map<string, KnownClass>()

  /** The change of the crew up to which the fleet was told of its members; infinite: of all, as they come. */
  #toldUpTo = 0
  /** The same, of their loads. */
  #loadUpTo = 0

  constructor(fleet: WorkerFleet) {
    this.fleet = fleet
    fleet.groupBy(() => this.#classes.values())
  }

  /** From now on the fleet is told of changes as they come: nothing was missed up to this one. */
  wake(change: number, nowMs: number): void {
    const told = this.#toldUpTo
    this.#toldUpTo = change
    if (told === change) return
    for (const member of this.#members) {
      if (member.placesChange > told) this.tellPlaces(member, nowMs)
      if (member.loadChange > this.#loadUpTo && member.load !== undefined)
        this.fleet.reported(member.id, member.load, nowMs)
    }
    this.#loadUpTo = change
  }

  /** It was told of all changes up to this one, and is told of none from now on. */
  rests(change: number): void {
    this.#toldUpTo = change
  }

  /** The load of a member that this queue has is told at once, also if nothing waits in it. */
  tellLoad(member: CrewMember<Task>, change: number, nowMs: number): void {
    this.#loadUpTo = change
    if (member.load !== undefined) this.fleet.reported(member.id, member.load, nowMs)
  }

  tellPlaces(member: CrewMember<Task>, nowMs: number): void {
    this.fleet.update(member.id, { capacity: member.isFull ? 0 : member.credits }, nowMs)
  }

  join(member: CrewMember<Task>, nowMs: number): void {
    const { id, weight, zone, labels } = member.profile
    const capacity = member.isFull ? 0 : member.credits
    const { slot } = this.fleet.add(
      {
        id,
        capacity,
        ...(weight === undefined ? {} : { weight }),
        ...(zone === undefined ? {} : { zone }),
        ...(labels === undefined ? {} : { labels }),
      },
      nowMs,
    )
    this.#bySlot[slot] = member
    this.#members.add(member)
    this.#classes.clear()
  }

  leave(member: CrewMember<Task>, nowMs: number): void {
    const slot = this.fleet.get(member.id)?.slot
    if (slot === undefined || !this.#members.delete(member)) return
    this.fleet.remove(member.id, nowMs)
    this.#bySlot[slot] = undefined
    this.#classes.clear()
  }

  /** A member takes tasks again, or takes no more: who can run what is looked at anew. */
  changed(): void {
    this.#classes.clear()
  }

  /** A worker could take a task of this class now. */
  canServe(classId: string, nowMs: number): boolean {
    const { accepts, isForAll } = this.#known(classId, nowMs)
    return isForAll ? this.fleet.hasCandidate(nowMs) : this.fleet.hasCandidate(nowMs, accepts)
  }

  /** When the next ejected worker is let back; infinite if there is none. One whose time has come is let back now. */
  nextReturnMs(nowMs: number): number {
    // Where nothing waits, nobody asks the fleet for candidates: the time would stay in the past.
    if (this.fleet.nextReturnMs <= nowMs) this.fleet.hasCandidate(nowMs)
    return this.fleet.nextReturnMs
  }

  /** A worker has code for it, and is large enough. */
  isSupported(classId: string): boolean {
    const kind = this.#classes.get(classId)?.kind ?? parseClassId(classId)
    for (const member of this.#members) if (member.supports(kind)) return true
    return false
  }

  /** A worker has code for tasks of this name, whatever else they require. */
  hasCode(name: string): boolean {
    for (const { port } of this.#members) if (port.supports(name)) return true
    return false
  }

  /** How many workers of tasks it has, and tasks that they take at once. `isLocalIn`: the process of the engine counts as one. */
  places(isLocalIn: boolean): { readonly workers: number; readonly slots: number } {
    let workers = 0
    let slots = 0
    for (const { credits, profile } of this.#members) {
      if (credits === 0 || profile.tasks?.length === 0 || (profile.isLocal === true && !isLocalIn)) continue
      workers += 1
      slots += credits
    }
    return { workers, slots }
  }

  placesOf(classId: string): ClassPlaces {
    const kind = parseClassId(classId)
    let free = 0
    let short = 0
    let running = 0
    const ejected: { id: string; untilMs: number }[] = []
    for (const member of this.#members) {
      if (!member.supports(kind)) continue
      running += member.taken
      const untilMs = this.fleet.ejectedUntilMs(member.id)
      if (untilMs !== undefined) ejected.push({ id: member.id, untilMs })
      else if (member.accepts(kind)) free += Math.max(0, member.free)
      else short += Math.max(0, member.free)
    }
    return { free, short, running, ejected }
  }

  /** The worker that gets a task; there is one if `canServe` has just said so. */
  take(classId: string, request: PickRequest, nowMs: number): CrewMember<Task> {
    const { kind, accepts, isForAll } = this.#known(classId, nowMs)
    const worker = this.fleet.pick(isForAll ? request : { ...request, accepts }, nowMs)
    const member = worker === undefined ? undefined : this.#bySlot[worker.slot]
    if (member === undefined) throw new Error(`invariant: no worker for a task of class ${classId}`)
    member.use(kind, 1)
    this.fleet.started(member.id, nowMs)
    return member
  }

  /** The task does not run there any more. */
  ended(member: CrewMember<Task>, classId: string, completion: Completion, nowMs: number): void {
    member.use(this.#known(classId, nowMs).kind, -1)
    if (!member.hasLeft) this.fleet.finished(member.id, completion, nowMs)
  }

  #known(classId: string, nowMs: number): KnownClass {
    const known = this.#classes.get(classId)
    if (known !== undefined) return known
    const fresh = this.#classOf(parseClassId(classId))
    if (this.#classes.size >= CLASSES_MAX) this.#classes.clear()
    this.#classes.set(classId, fresh)
    this.fleet.keepOne(fresh, nowMs)
    return fresh
  }

  #classOf(kind: TaskClass): KnownClass {
    let isForAll = kind.requires === undefined && !kind.isLastChance
    let size = 0
    for (const member of this.#members) {
      isForAll &&= member.supports(kind)
      if (couldRun(member, kind)) size += 1
    }
    return {
      kind,
      isForAll,
      size,
      accepts: ({ slot }) => this.#bySlot[slot]?.accepts(kind) === true,
      has: ({ slot }) => couldRun(this.#bySlot[slot], kind),
    }
  }
}

/** A worker without credits drains: it is nobody's substitute. */
function couldRun(member: CrewMember<unknown> | undefined, kind: TaskClass): boolean {
  return member !== undefined && member.credits > 0 && member.supports(kind)
}
