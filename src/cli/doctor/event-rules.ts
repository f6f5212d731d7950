/**
 * What must hold from one event of a journal to the next, whatever the workflow: told apart from the kernel, so that an
 * error in the kernel shows.
 *
 * 1. The first event is the start, and no other is.
 * 2. Time never runs backwards, and no timer fires before it is due.
 * 3. One terminal event stands, and nothing follows it; only a failure can be withdrawn, by the event right after it.
 * 4. An operation settles once, and only after it was asked for. Attempts of a step count up.
 */
import { type Event, type EventType, isTerminal } from '../../protocol/event.ts'
import type { FindingCode } from './finding.ts'

export type Report = (code: FindingCode, detail: string) => void

const TYPES: Readonly<Record<EventType, true>> = {
  'execution-started': true,
  'step-completed': true,
  'step-failed': true,
  'timer-fired': true,
  'signal-received': true,
  'child-completed': true,
  'child-failed': true,
  'task-completed': true,
  'task-failed': true,
  'human-task-opened': true,
  'human-task-changed': true,
  'human-task-closed': true,
  'update-accepted': true,
  'cancel-requested': true,
  'step-attempt-failed': true,
  'timer-started': true,
  'child-started': true,
  'task-scheduled': true,
  'child-withdrawn': true,
  'child-signalled': true,
  'attributes-set': true,
  'patch-marked': true,
  'execution-completed': true,
  'execution-failed': true,
  'execution-cancelled': true,
  'execution-terminated': true,
  'execution-timed-out': true,
  'execution-continued': true,
  'update-completed': true,
  'execution-parked': true,
  'execution-resumed': true,
  'execution-reopened': true,
}

/** The newest schema version of events that this program knows. */
const EVENT_VERSION = 1

/** An event, or undefined after a report. */
export function checkedEvent(value: unknown, report: Report): Event | undefined {
  if (typeof value !== 'object' || value === null || !('type' in value) || !('at' in value)) {
    report('event-malformed', 'it is no event')
    return undefined
  }
  const { type, at } = value
  const version = 'v' in value ? value.v : 1
  if (typeof version === 'number' && version > EVENT_VERSION) {
    report('event-newer', `it is a ${type} of version ${version}`)
    return undefined
  }
  if (typeof type !== 'string' || !Object.hasOwn(TYPES, type)) {
    report('event-malformed', `its type ${JSON.stringify(type)} is unknown`)
    return undefined
  }
  if (typeof at !== 'number' || !Number.isFinite(at)) {
    report('event-malformed', `its time is ${JSON.stringify(at)}`)
    return undefined
  }
  return value as Event
}

export class EventRules {
  readonly #settled = new Set<number>()
  readonly #dueAt = new Map<number, number>()
  readonly #children = new Set<number>()
  readonly #tasks = new Set<number>()
  readonly #people = new Set<number>()
  readonly #attempts = new Map<number, number>()
  readonly #updates = new Map<string, 'accepted' | 'completed'>()
  #terminal: { readonly seq: number; readonly type: EventType } | undefined
  #lastAt = Number.NEGATIVE_INFINITY

  check(seq: number, event: Event, report: Report): void {
    if ((seq === 1) !== (event.type === 'execution-started'))
      report('start-misplaced', seq === 1 ? `the first event is ${event.type}` : 'the execution starts again')
    if (event.at < this.#lastAt)
      report('time-decreases', `it is ${this.#lastAt - event.at} ms earlier than the event before it`)
    this.#lastAt = Math.max(this.#lastAt, event.at)
    this.#checkEnd(seq, event, report)
    this.#checkOperation(event, report)
  }

  #checkEnd(seq: number, event: Event, report: Report): void {
    const ended = this.#terminal
    if (event.type === 'execution-reopened') {
      this.#terminal = undefined
      if (ended?.type !== 'execution-failed' || event.failedSeq !== ended.seq)
        report(
          'reopened-wrongly',
          `it withdraws event ${event.failedSeq}, which is not the failure that stands`,
        )
      // The failure withdrew the tasks that had not ended.
      for (const op of this.#tasks) if (!this.#settled.has(op)) this.#tasks.delete(op)
      for (const op of this.#people) if (!this.#settled.has(op)) this.#people.delete(op)
      // What the failed operation had recorded is withdrawn with it.
      if (event.op === undefined) return
      this.#settled.delete(event.op)
      this.#attempts.delete(event.op)
      this.#children.delete(event.op)
      this.#tasks.delete(event.op)
      this.#people.delete(event.op)
      return
    }
    if (ended !== undefined)
      report('after-the-end', `${event.type} after ${ended.type} at event ${ended.seq}`)
    else if (isTerminal(event)) this.#terminal = { seq, type: event.type }
  }

  #checkOperation(event: Event, report: Report): void {
    switch (event.type) {
      case 'timer-started':
        this.#dueAt.set(event.op, event.dueAt)
        return
      case 'child-started':
        this.#children.add(event.op)
        return
      case 'step-attempt-failed':
        this.#checkAttempt(event, report)
        return
      case 'step-completed':
      case 'step-failed':
        this.#checkAttempt({ op: event.op, attempt: event.attempt ?? 1 }, report)
        this.#settle(event.op, report)
        this.#attempts.delete(event.op)
        return
      case 'timer-fired':
        this.#checkFired(event, report)
        return
      case 'task-scheduled':
        if (this.#tasks.has(event.op)) report('settled-twice', `operation ${event.op} has a task`)
        this.#tasks.add(event.op)
        return
      case 'task-completed':
      case 'task-failed':
        if (!this.#tasks.has(event.op)) report('settled-unasked', `operation ${event.op} scheduled no task`)
        this.#settle(event.op, report)
        return
      case 'human-task-opened':
        if (this.#people.has(event.op)) report('settled-twice', `operation ${event.op} has a human task`)
        this.#people.add(event.op)
        return
      case 'human-task-changed':
        if (!this.#people.has(event.op) || this.#settled.has(event.op))
          report('settled-unasked', `operation ${event.op} has no open human task`)
        return
      case 'human-task-closed':
        if (!this.#people.has(event.op))
          report('settled-unasked', `operation ${event.op} opened no human task`)
        this.#settle(event.op, report)
        return
      case 'child-withdrawn':
        if (!this.#children.delete(event.op))
          report('settled-unasked', `operation ${event.op} has no child to withdraw`)
        return
      case 'child-completed':
        if (!this.#children.has(event.op)) report('settled-unasked', `operation ${event.op} started no child`)
        this.#settle(event.op, report)
        return
      case 'child-failed':
        this.#settle(event.op, report)
        return
      case 'update-accepted':
        if (this.#updates.has(event.updateId))
          report('settled-twice', `update ${event.updateId} was accepted before`)
        this.#updates.set(event.updateId, 'accepted')
        return
      case 'update-completed':
        this.#checkUpdate(event.updateId, report)
        return
    }
  }

  #settle(op: number, report: Report): void {
    if (this.#settled.has(op)) report('settled-twice', `operation ${op} had settled before`)
    this.#settled.add(op)
  }

  #checkAttempt({ op, attempt }: { readonly op: number; readonly attempt: number }, report: Report): void {
    const before = this.#attempts.get(op) ?? 0
    if (attempt <= before)
      report('attempt-repeated', `attempt ${attempt} of operation ${op} follows attempt ${before}`)
    this.#attempts.set(op, attempt)
  }

  #checkFired(event: { readonly op: number; readonly at: number }, report: Report): void {
    const dueAt = this.#dueAt.get(event.op)
    if (dueAt === undefined) report('settled-unasked', `operation ${event.op} started no timer`)
    else if (event.at < dueAt)
      report('timer-early', `operation ${event.op} was due ${dueAt - event.at} ms after it fired`)
    this.#settle(event.op, report)
  }

  #checkUpdate(updateId: string, report: Report): void {
    const known = this.#updates.get(updateId)
    if (known === undefined) report('settled-unasked', `update ${updateId} was never accepted`)
    if (known === 'completed') report('settled-twice', `update ${updateId} was answered before`)
    this.#updates.set(updateId, 'completed')
  }
}
