/** The workers of one queue: whether one can take a task of a class now, and which one gets it. */
import type { Completion, PickRequest } from '../../core/balance/load-balancer.ts'
import type { WorkerFleet } from '../../core/balance/worker-fleet.ts'
import type { CrewMember } from './crew-member.ts'
import { parseClassId, type TaskClass } from './task-class.ts'

interface KnownClass {
  readonly kind: TaskClass
  readonly accepts: (worker: { readonly slot: number }) => boolean
  /** Each member can run it at any time: nobody has to be asked. */
  isForAll: boolean
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

  constructor(fleet: WorkerFleet) {
    this.fleet = fleet
  }

  /** From now on the fleet is told of changes as they come: nothing was missed up to this one. */
  wake(change: number, nowMs: number): void {
    const told = this.#toldUpTo
    this.#toldUpTo = change
    if (told === change) return
    for (const member of this.#members) {
      if (member.placesChange > told) this.tellPlaces(member, nowMs)
      if (member.loadChange > told && member.load !== undefined)
        this.fleet.reported(member.id, member.load, nowMs)
    }
  }

  /** It was told of all changes up to this one, and is told of none from now on. */
  rests(change: number): void {
    this.#toldUpTo = change
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

  /** A worker could take a task of this class now. */
  canServe(classId: string, nowMs: number): boolean {
    const { accepts, isForAll } = this.#classOf(classId)
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
    const { kind } = this.#classOf(classId)
    for (const member of this.#members) if (member.supports(kind)) return true
    return false
  }

  /** Of all its workers together, of all queues. */
  get places(): { readonly free: number; readonly running: number } {
    let free = 0
    let running = 0
    for (const member of this.#members) {
      free += Math.max(0, member.free)
      running += member.taken
    }
    return { free, running }
  }

  /** The worker that gets a task; there is one if `canServe` has just said so. */
  take(classId: string, request: PickRequest, nowMs: number): CrewMember<Task> {
    const { kind, accepts, isForAll } = this.#classOf(classId)
    const worker = this.fleet.pick(isForAll ? request : { ...request, accepts }, nowMs)
    const member = worker === undefined ? undefined : this.#bySlot[worker.slot]
    if (member === undefined) throw new Error(`invariant: no worker for a task of class ${classId}`)
    member.use(kind, 1)
    this.fleet.started(member.id, nowMs)
    return member
  }

  /** The task does not run there any more. */
  ended(member: CrewMember<Task>, classId: string, completion: Completion, nowMs: number): void {
    member.use(this.#classOf(classId).kind, -1)
    if (!member.hasLeft) this.fleet.finished(member.id, completion, nowMs)
  }

  #classOf(classId: string): KnownClass {
    const known = this.#classes.get(classId)
    if (known !== undefined) return known
    const kind = parseClassId(classId)
    const accepts = ({ slot }: { readonly slot: number }): boolean =>
      this.#bySlot[slot]?.accepts(kind) === true
    let isForAll = kind.requires === undefined && !kind.isLastChance
    for (const member of this.#members) isForAll &&= member.supports(kind)
    const fresh = { kind, accepts, isForAll }
    if (this.#classes.size >= CLASSES_MAX) this.#classes.clear()
    this.#classes.set(classId, fresh)
    return fresh
  }
}
