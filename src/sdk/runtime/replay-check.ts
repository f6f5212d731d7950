/**
 * Holds code against history during replay.
 *
 * 1. An operation's identity is its call order; kind and name must agree with what the journal says of it.
 * 2. What the journal says of an operation was asked for: a wait without a time limit, for one, asks for nothing.
 * 3. What is recorded at once when it is asked for (a sleep, a wait with a time limit, attributes) is in the journal before
 *    anything that the code made later. Only the end of a journal may lack it: a crash came before it was durable.
 *
 * The call site of each operation is kept while replaying (an unformatted stack), so that a mismatch can say where.
 */
import { PerdureError } from '../../protocol/errors.ts'
import { type Event, isTerminal, type SequencedEvent } from '../../protocol/event.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import { isEnding, isEndOfCode } from './end-of-code.ts'
import type { OperationKind } from './operation.ts'

interface Issued {
  readonly kind: OperationKind
  readonly name: string
  readonly site: { readonly stack?: string }
  /** How it was made, if it asks the engine for nothing. */
  unasked: string | undefined
}

type RecordedAtOnce = Extract<WorkflowCommand, { kind: 'sleep' | 'wait' | 'attributes' }>

const RUNTIME_FOLDER = import.meta.url.slice(0, import.meta.url.lastIndexOf('/'))

export class ReplayCheck {
  readonly history: readonly SequencedEvent[]
  readonly #isBeforeStart: boolean
  /** A retry withdrew something: without that failure, code may make operations before what it made after the failure. */
  readonly #isRetried: boolean
  readonly #issued: Issued[] = []
  readonly #recorded = new Set<number>()
  readonly #patches = new Set<string>()
  /** Commands before this one are recorded, if they have to be. */
  #checked = 0

  constructor(history: readonly SequencedEvent[]) {
    this.history = history
    this.#isBeforeStart = isBeforeStart(history)
    this.#isRetried = history.length < (history.at(-1)?.seq ?? 0)
  }

  issued(op: number, kind: OperationKind, name: string): void {
    const site = {}
    Error.captureStackTrace(site)
    this.#issued[op] = { kind, name, site, unasked: undefined }
  }

  /** The operation asks the engine for nothing: it was made `how`. */
  unasked(op: number, how: string): void {
    const issued = this.#issued[op]
    if (issued !== undefined) issued.unasked = how
  }

  /** Checks one event of the history against what code has made so far. */
  verify(seq: number, event: Event, commands: readonly WorkflowCommand[]): void {
    this.#verifyOperation(seq, event)
    const missing = this.#firstMissing(commands)
    if (missing !== undefined && this.#isAfter(event, missing.op, commands))
      throw this.#unrecorded(seq, event, missing.op)
  }

  #verifyOperation(seq: number, event: Event): void {
    switch (event.type) {
      case 'step-completed':
      case 'step-failed':
        this.#expect(seq, event.type, event.op, 'step', event.name)
        this.#recorded.add(event.op)
        return
      case 'step-attempt-failed':
        this.#expect(seq, event.type, event.op, 'step', event.name)
        return
      case 'timer-started':
        this.#expect(seq, event.type, event.op, event.kind, event.name)
        this.#recorded.add(event.op)
        return
      case 'child-started':
        this.#expect(seq, event.type, event.op, 'child', event.name)
        this.#recorded.add(event.op)
        return
      case 'task-scheduled':
        this.#expect(seq, event.type, event.op, 'task', event.name)
        this.#recorded.add(event.op)
        return
      case 'human-task-opened':
        this.#expect(seq, event.type, event.op, event.spec.kind === 'task' ? 'human' : 'approval', event.name)
        this.#recorded.add(event.op)
        return
      case 'child-signalled':
        this.#expect(seq, event.type, event.op, 'signal-child', event.name)
        this.#recorded.add(event.op)
        return
      case 'attributes-set':
        this.#expect(seq, event.type, event.op, 'attributes', '')
        this.#recorded.add(event.op)
        return
      case 'timer-fired':
      case 'child-completed':
      case 'task-completed':
      case 'task-failed':
      case 'human-task-changed':
      case 'human-task-closed':
        if (this.#issued[event.op] === undefined)
          throw this.#missing(seq, event.type, event.op, 'an operation')
        return
      case 'child-failed':
        this.#expectKind(seq, event.op)
        this.#recorded.add(event.op)
        return
      case 'patch-marked':
        this.#patches.add(event.id)
        return
    }
  }

  /** Of the commands that are recorded at once, the first that the history has not shown so far. */
  #firstMissing(commands: readonly WorkflowCommand[]): RecordedAtOnce | undefined {
    for (; this.#checked < commands.length; this.#checked++) {
      const command = commands[this.#checked]
      if (command !== undefined && isRecordedAtOnce(command) && !this.#recorded.has(command.op))
        return command
    }
    return undefined
  }

  /** Commands that the history does not answer: only these are new. */
  unanswered(commands: readonly WorkflowCommand[], isPending: (op: number) => boolean): WorkflowCommand[] {
    return commands.filter((command) => {
      switch (command.kind) {
        case 'step':
          return isPending(command.op)
        case 'sleep':
        case 'wait':
        case 'child':
        case 'task':
        case 'human':
        case 'attributes':
        case 'signal-child':
          return !this.#recorded.has(command.op)
        case 'patch':
          return !this.#patches.has(command.id)
        default:
          return true
      }
    })
  }

  /** Whether the code made what the event records later than the missing operation. */
  #isAfter(event: Event, missingOp: number, commands: readonly WorkflowCommand[]): boolean {
    if (event.type === 'update-completed') {
      const { updateId } = event
      if (this.#isRetried) return false
      return this.#isMadeLater(
        commands,
        (made) => made.kind === 'update-result' && made.updateId === updateId,
      )
    }
    if (isTerminal(event))
      return isEndOfCode(event) && !this.#isBeforeStart && this.#isMadeLater(commands, isEnding)
    return 'op' in event && event.op !== undefined && event.op > missingOp
  }

  #isMadeLater(commands: readonly WorkflowCommand[], is: (made: WorkflowCommand) => boolean): boolean {
    return commands.findIndex((made, i) => i > this.#checked && is(made)) >= 0
  }

  #expect(seq: number, event: string, op: number, kind: OperationKind, name: string): void {
    const issued = this.#issued[op]
    const expected = kind === 'wait' ? timed(kind, name) : described(kind, name)
    if (issued === undefined) throw this.#missing(seq, event, op, expected)
    const { unasked } = issued
    if (issued.kind === kind && issued.name === name && unasked === undefined) return
    const made = described(issued.kind, issued.name)
    throw new PerdureError(
      'NONDETERMINISM',
      `history has ${expected} as operation ${op} (event ${seq}, ${event}), but the code made ${unasked === undefined ? made : `${made} ${unasked}`}${siteOf(issued)}`,
    )
  }

  #unrecorded(seq: number, event: Event, op: number): PerdureError {
    const issued = this.#issued[op]
    const { kind, name } = issued ?? { kind: 'sleep', name: '' }
    const made = kind === 'wait' ? timed(kind, name) : described(kind, name)
    const site = issued === undefined ? '' : siteOf(issued)
    return new PerdureError(
      'NONDETERMINISM',
      `history has ${this.#describedEvent(event)} (event ${seq}, ${event.type}), but the code made before it ${made} as operation ${op}, of which the history has nothing,${site}`,
    )
  }

  #describedEvent(event: Event): string {
    if (event.type === 'update-completed') return `the answer of update ${event.updateId}`
    if (isTerminal(event) || !('op' in event) || event.op === undefined) return 'the end of the execution'
    const issued = this.#issued[event.op]
    const what = issued === undefined ? 'an operation' : described(issued.kind, issued.name)
    return `${what} as operation ${event.op}`
  }

  #expectKind(seq: number, op: number): void {
    const issued = this.#issued[op]
    if (issued === undefined || issued.kind !== 'child')
      throw this.#missing(seq, 'child-failed', op, 'a child')
  }

  #missing(seq: number, event: string, op: number, expected: string): PerdureError {
    const last = this.#issued.at(-1)
    const made =
      last === undefined
        ? 'no operation'
        : `only ${this.#issued.length - 1}, the last one ${described(last.kind, last.name)}${siteOf(last)}`
    return new PerdureError(
      'NONDETERMINISM',
      `history has ${expected} as operation ${op} (event ${seq}, ${event}), but the code made ${made}`,
    )
  }
}

function isRecordedAtOnce(command: WorkflowCommand): command is RecordedAtOnce {
  return command.kind === 'sleep' || command.kind === 'wait' || command.kind === 'attributes'
}

function described(kind: OperationKind, name: string): string {
  return name === '' || name === kind ? kind : `${kind} '${name}'`
}

/** A wait as the history knows it: only one with a time limit is recorded. */
function timed(kind: OperationKind, name: string): string {
  return `${described(kind, name)} with a time limit`
}

/** The first frame of a stack that is the user's. */
function siteOf(issued: Issued): string {
  for (const line of issued.site.stack?.split('\n').slice(1) ?? []) {
    if (!line.includes(RUNTIME_FOLDER) && !line.includes('node:internal'))
      return ` at ${line.trim().replace(/^at /, '')}`
  }
  return ''
}

/** A delayed start whose time had not come when the last of this happened: no code has seen it. */
export function isBeforeStart(history: readonly SequencedEvent[]): boolean {
  const first = history[0]?.event
  const last = history.at(-1)?.event
  if (first?.type !== 'execution-started' || last === undefined) return false
  return first.notBefore !== undefined && last.at < first.notBefore
}
