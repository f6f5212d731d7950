/**
 * Holds code against history during replay.
 *
 * An operation's identity is its call order; kind and name must agree with what the journal says of it. The call site of
 * each operation is kept while replaying (an unformatted stack), so that a mismatch can say where.
 */
import { PerdureError } from '../../protocol/errors.ts'
import type { Event, SequencedEvent } from '../../protocol/event.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import type { OperationKind } from './operation.ts'

interface Issued {
  readonly kind: OperationKind
  readonly name: string
  readonly site: { readonly stack?: string }
}

const RUNTIME_FOLDER = import.meta.url.slice(0, import.meta.url.lastIndexOf('/'))

export class ReplayCheck {
  readonly history: readonly SequencedEvent[]
  readonly #issued: Issued[] = []
  readonly #recorded = new Set<number>()
  readonly #patches = new Set<string>()

  constructor(history: readonly SequencedEvent[]) {
    this.history = history
  }

  issued(op: number, kind: OperationKind, name: string): void {
    const site = {}
    Error.captureStackTrace(site)
    this.#issued[op] = { kind, name, site }
  }

  /** Checks one event of the history against what code has made so far. */
  verify(seq: number, event: Event): void {
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

  /** Commands that the history does not answer: only these are new. */
  unanswered(commands: readonly WorkflowCommand[], isPending: (op: number) => boolean): WorkflowCommand[] {
    return commands.filter((command) => {
      switch (command.kind) {
        case 'step':
          return isPending(command.op)
        case 'sleep':
        case 'wait':
        case 'child':
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

  #expect(seq: number, event: string, op: number, kind: OperationKind, name: string): void {
    const issued = this.#issued[op]
    const expected = described(kind, name)
    if (issued === undefined) throw this.#missing(seq, event, op, expected)
    if (issued.kind === kind && issued.name === name) return
    throw new PerdureError(
      'NONDETERMINISM',
      `history has ${expected} as operation ${op} (event ${seq}, ${event}), but the code made ${described(issued.kind, issued.name)}${siteOf(issued)}`,
    )
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

function described(kind: OperationKind, name: string): string {
  return name === '' || name === kind ? kind : `${kind} '${name}'`
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
