/** What a message does to its receiver. */
import { closedMessage } from '../core/execution/closing.ts'
import type { Logger } from '../platform/logger.ts'
import type { ParentLink } from '../protocol/event.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { platformFailure } from '../protocol/failure.ts'
import type { RunId, WorkflowKey } from '../protocol/ids.ts'
import type { ChildOutcome, Message } from '../protocol/message.ts'
import type { OutboxKey } from '../store/contract/rows.ts'
import type { Inbox } from './cluster/inbox.ts'
import type { Committer } from './committer.ts'
import { executionFields } from './execution-fields.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import { NO_RUN } from './no-run.ts'
import type { TaskDesk } from './tasks/task-desk.ts'
import type { Transitions } from './transitions.ts'

/** A message that is to be applied here. */
export interface Waiting {
  readonly message: Message
  readonly row: OutboxKey
  /** It came from another node, which drops its row; else the row is dropped by the batch that applies it. */
  readonly isForeign: boolean
  /** An owner of the sender's shard before has sent it: its number is noted too. */
  readonly isAdopted?: boolean
  /** The sender, if it sent in this session: its outbox row and the drop of it stay in one commit. */
  readonly from: RunId | undefined
  readonly applied?: () => void
  /** It is not applied here any more. */
  readonly gone?: () => void
}

export interface DeliveryOptions {
  readonly table: LiveTable
  readonly committer: Committer
  readonly transitions: Transitions
  readonly logger: Logger
  readonly tasks: () => TaskDesk
  readonly inbox: Inbox
  readonly send: (from: LiveExecution, message: Message) => void
  readonly sendFromNobody: (shard: number, message: Message) => void
}

type QueueMessage = Extract<Message, { kind: 'schedule-task' | 'enqueue-task' | 'withdraw-task' }>

/** Messages that a run in memory takes at once. */
export type RunMessage = Exclude<
  Message,
  { kind: 'start-child' | 'start-run' | 'schedule-task' | 'enqueue-task' | 'withdraw-task' }
>

export function isForRun(message: Message): message is RunMessage {
  switch (message.kind) {
    case 'start-child':
    case 'start-run':
    case 'schedule-task':
    case 'enqueue-task':
    case 'withdraw-task':
      return false
    default:
      return true
  }
}

export class Delivery {
  readonly #options: DeliveryOptions

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  isForQueue(message: Message): message is QueueMessage {
    return 'queue' in message || message.kind === 'withdraw-task'
  }

  /** @param isWanted false: it is not applied here any more */
  async toQueue(waiting: Waiting, isWanted: () => boolean): Promise<void> {
    const { committer } = this.#options
    const tasks = this.#options.tasks()
    const { message } = waiting
    for (;;) {
      await tasks.ready()
      const own = message.kind === 'withdraw-task' ? await tasks.lookup.findOwn([message.task]) : []
      if (!isWanted()) return
      // Another owner may have it: then this message is about to be dropped.
      if (own === undefined) continue
      const [found] = own
      // If it is gone, its end crossed this message.
      const isGone = found === undefined || tasks.lookup.isDeleted(found.seq)
      const task = isGone ? undefined : tasks.lookup.current(found)
      if (!isGone && task === undefined) continue
      committer.together(() => {
        if (message.kind === 'schedule-task') tasks.schedule(message.to, message, message.command)
        else if (message.kind === 'enqueue-task') enqueueTold(tasks, message)
        else if (task !== undefined) tasks.withdraw(task)
        this.#took(waiting, 'runId' in message ? message.runId : NO_RUN)
      })
      waiting.applied?.()
      committer.touch()
      return
    }
  }

  deliver(waiting: Waiting, receiver: LiveExecution | undefined): void {
    const { message, from } = waiting
    const { committer } = this.#options
    let applied: LiveExecution | undefined = receiver
    if (message.kind === 'start-child') applied = this.#startChild(message, receiver)
    else if (message.kind === 'start-run')
      // Whoever has the id has had this start, or another one that came first.
      applied = receiver ?? this.#options.transitions.start(message.runId, message.started)
    else if (receiver === undefined || !isForRun(message)) this.#toNobody(message)
    else this.applyTo(receiver, message)
    if (applied === undefined) {
      this.#took(waiting, from ?? NO_RUN)
      return
    }
    const batch = committer.batchFor(applied)
    this.#took(waiting, applied.state.runId)
    if (from !== undefined) batch.links.push([from, applied.state.runId])
  }

  /** In the batch that applies it, as a change of `run`. */
  #took({ row, isForeign, isAdopted = false }: Waiting, run: RunId): void {
    const { fromShard, toShard, seq } = row
    if (isForeign || isAdopted) this.#options.inbox.applied(row, run)
    if (!isForeign) this.#options.committer.writesFor(run).dropOutbox({ fromShard, toShard, seq })
  }

  applyTo(receiver: LiveExecution, message: RunMessage): void {
    const { transitions, logger } = this.#options
    if ('parent' in message && !isChild(receiver, message.parent)) {
      this.#refuseStranger(receiver, message)
      return
    }
    switch (message.kind) {
      case 'child-closed':
        if (receiver.state.runId !== message.parentRunId) return
        transitions.apply(receiver, { ...message, type: 'child-closed' })
        break
      case 'task-closed':
        if (receiver.state.runId !== message.runId) return
        transitions.apply(receiver, { ...message, type: 'task-closed' })
        break
      case 'signal': {
        const { name, payload, requestId } = message
        const rejected = transitions.apply(receiver, { type: 'signal', name, payload, requestId })
        if (rejected !== undefined)
          logger.warn('a signal to a child was not accepted', {
            ...executionFields(receiver.state),
            signal: name,
            reason: rejected.detail,
          })
        break
      }
      case 'cancel':
      case 'terminate':
        // A closed receiver needs neither: the rejection says only that.
        transitions.apply(receiver, { ...message, type: message.kind })
        break
      case 'stop-run':
        transitions.apply(receiver, { type: message.how, reason: message.reason })
        break
      case 'report-outcome': {
        const { terminal } = receiver.state
        const answer = terminal === undefined ? undefined : closedMessage(receiver.state, terminal)
        if (answer !== undefined) this.#options.send(receiver, answer)
        return
      }
    }
    transitions.finish(receiver)
  }

  /** The child is gone, or never was: another execution has its id. */
  #refuseStranger(receiver: LiveExecution, message: Extract<Message, { readonly parent: ParentLink }>): void {
    const { kind, to, parent } = message
    if (kind !== 'report-outcome') {
      this.#options.logger.debug('a message has no receiver', { kind, ...to })
      return
    }
    const failure = platformFailure(
      'EXECUTION_NOT_FOUND',
      `child ${to.workflowId} does not exist: another execution has its id`,
    )
    this.#answer(receiver, parent, to, { ok: false, failure })
  }

  /** The receiver was deleted. A parent that asks for its outcome must not wait for ever. */
  #toNobody(message: Message): void {
    const { kind, to } = message
    if (message.kind !== 'report-outcome') {
      this.#options.logger.debug('a message has no receiver', { kind, ...to })
      return
    }
    const { table, sendFromNobody } = this.#options
    const { key, runId: parentRunId, op } = message.parent
    const failure = platformFailure('EXECUTION_NOT_FOUND', `child ${to.workflowId} was deleted`)
    const answer: Message = {
      kind: 'child-closed',
      to: key,
      parentRunId,
      op,
      child: to,
      outcome: { ok: false, failure },
    }
    sendFromNobody(table.shardOf(to), answer)
  }

  /** The child, or the parent that was told why there is none. */
  #startChild(
    message: Extract<Message, { kind: 'start-child' }>,
    existing: LiveExecution | undefined,
  ): LiveExecution | undefined {
    const { transitions } = this.#options
    if (existing?.state.runId === message.runId) return existing
    const { parent } = message.started
    if (existing !== undefined && !isClosed(existing.state.status) && parent !== undefined) {
      const failure = platformFailure(
        'EXECUTION_EXISTS',
        `an execution with the id ${message.to.workflowId} is ${existing.state.status}`,
      )
      this.#answer(existing, parent, message.to, { ok: false, failure })
      return existing
    }
    return transitions.start(message.runId, message.started)
  }

  #answer(from: LiveExecution, parent: ParentLink, child: WorkflowKey, outcome: ChildOutcome): void {
    this.#options.send(from, {
      kind: 'child-closed',
      to: parent.key,
      parentRunId: parent.runId,
      op: parent.op,
      child,
      outcome,
    })
  }
}

function enqueueTold(tasks: TaskDesk, message: Extract<Message, { kind: 'enqueue-task' }>): void {
  const { queue, name, task, input, options } = message
  tasks.enqueue(
    { namespace: queue.namespace, name, queue: queue.queue, givenId: null },
    { input, ...options },
    task,
  )
}

/** Not so if the id was taken, or has been taken since. */
function isChild({ state }: LiveExecution, { runId, op }: ParentLink): boolean {
  return state.parent?.runId === runId && state.parent.op === op
}
