/**
 * Messages between executions, and between an execution and its tasks.
 *
 * 1. A message is applied in the batch of its sender if its receiver is in memory and nothing for it waits; else it is an
 *    outbox row of the sender's batch, and the batch that applies it drops the row. So none is lost and none applied twice.
 * 2. Messages to one execution are applied in the order in which they were sent.
 * 3. A message that cannot be applied is answered or dropped; it never holds up the next one.
 * 4. After a new start nothing is delivered before what the store holds is queued: that was sent first.
 */
import { closedMessage } from '../core/execution/closing.ts'
import type { Logger } from '../platform/logger.ts'
import type { ParentLink } from '../protocol/event.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { platformFailure } from '../protocol/failure.ts'
import { keyText, type RunId, type WorkflowKey } from '../protocol/ids.ts'
import type { ChildOutcome, Message } from '../protocol/message.ts'
import type { OutboxKey, OutboxRow } from '../store/contract/rows.ts'
import type { Committer } from './committer.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import { NO_RUN } from './no-run.ts'
import type { TaskDesk } from './tasks/task-desk.ts'
import type { Transitions } from './transitions.ts'

export interface MailboxOptions {
  readonly table: LiveTable
  readonly committer: Committer
  readonly transitions: Transitions
  readonly logger: Logger
  readonly tasks: () => TaskDesk
  readonly onError: (error: unknown) => void
}

interface Waiting {
  readonly message: Message
  readonly outbox: OutboxKey
  /** The sender, if it sent in this session: its outbox row and the drop of it stay in one commit. */
  readonly from: RunId | undefined
}

export class Mailbox {
  readonly #options: MailboxOptions
  /** Messages that wait for their receiver to be read, by receiver. */
  readonly #queues = new Map<string, Waiting[]>()
  /** Messages sent while the outbox is read; undefined when it is not. */
  #held: Waiting[] | undefined
  #nextSeq = 0
  #generation = 0

  constructor(options: MailboxOptions) {
    this.#options = options
  }

  get isDelivering(): boolean {
    return this.#queues.size > 0
  }

  /** What is sent waits for `load`. */
  get isHolding(): boolean {
    return this.#held !== undefined
  }

  /**
   * Starts over in a new session: everything is forgotten, and what is sent from now on is held until `load`. Numbers of a
   * later session are higher than all before.
   */
  reset(sessionId: number): void {
    this.#generation += 1
    this.#queues.clear()
    this.#held = []
    this.#nextSeq = sessionId * 2 ** 32
  }

  /** What the store held at the start of the session. */
  load(rows: readonly OutboxRow[]): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { message, ...outbox } of rows)
      this.#enqueue({ message: JSON.parse(message) as Message, outbox, from: undefined })
    for (const waiting of held) this.#enqueue(waiting)
  }

  send(from: LiveExecution, message: Message): void {
    const { table, committer } = this.#options
    const receiver = isForRun(message) ? this.#present(message.to) : undefined
    if (isForRun(message) && receiver !== undefined) {
      committer.batchFor(from)
      this.#applyTo(receiver, message)
      committer.batchFor(from).links.push([from.state.runId, receiver.state.runId])
      return
    }
    const outbox = { fromShard: from.shard, toShard: table.shardOf(message.to), seq: this.#nextSeq++ }
    committer.batchFor(from)
    from.writes?.addOutbox({ ...outbox, message: JSON.stringify(message) })
    this.#enqueue({ message, outbox, from: from.state.runId })
  }

  /** From the task of a run, which is one of its changes. */
  report(message: Extract<Message, { kind: 'task-closed' }>): void {
    const { table, committer } = this.#options
    const { to, runId } = message
    const receiver = this.#present(to)
    if (receiver !== undefined) {
      this.#applyTo(receiver, message)
      return
    }
    const shard = table.shardOf(to)
    const outbox = { fromShard: shard, toShard: shard, seq: this.#nextSeq++ }
    committer.writesFor(runId).addOutbox({ ...outbox, message: JSON.stringify(message) })
    this.#enqueue({ message, outbox, from: runId })
  }

  /** The newest run of the key, if it is in memory and nothing waits to be delivered to it. */
  #present(key: WorkflowKey): LiveExecution | undefined {
    if (this.#held !== undefined) return undefined
    const receiver = this.#options.table.current(key)
    return receiver === undefined || this.#queues.has(receiver.keyText) ? undefined : receiver
  }

  #enqueue(waiting: Waiting): void {
    if (this.#held !== undefined) {
      this.#held.push(waiting)
      return
    }
    const { to } = waiting.message
    const text = keyText(to)
    const queue = this.#queues.get(text)
    if (queue !== undefined) {
      queue.push(waiting)
      return
    }
    this.#queues.set(text, [waiting])
    this.#work(text, to, this.#generation).catch(this.#options.onError)
  }

  async #work(text: string, key: WorkflowKey, generation: number): Promise<void> {
    const { table } = this.#options
    for (;;) {
      const first = this.#queues.get(text)?.[0]
      if (first?.message.kind === 'withdraw-task') {
        await this.#withdraw(first.message, first.outbox)
        if (generation !== this.#generation) return
        this.#queues.get(text)?.shift()
        continue
      }
      const [runId] = await table.currentRuns([key])
      const loaded = runId === undefined ? undefined : await table.load(runId)
      if (generation !== this.#generation) return
      // A run that was read may have been replaced meanwhile: the newest one gets the message.
      const receiver = table.current(key) ?? loaded
      // It left memory in this moment.
      if (receiver !== undefined && table.get(receiver.state.runId) !== receiver) continue
      const queue = this.#queues.get(text) ?? []
      // It came meanwhile, and needs no receiver.
      if (queue[0]?.message.kind === 'withdraw-task') continue
      const next = queue.shift()
      if (next === undefined) {
        this.#queues.delete(text)
        return
      }
      // What applies it and what drops it from the outbox share a commit.
      this.#options.committer.together(() => this.#deliver(next, receiver))
      this.#options.committer.touch()
    }
  }

  /** The task may be in the store only. If it is gone, its end crossed this message. */
  async #withdraw(
    { runId, task: seq }: Extract<Message, { kind: 'withdraw-task' }>,
    outbox: OutboxKey,
  ): Promise<void> {
    const { committer } = this.#options
    const tasks = this.#options.tasks()
    const generation = this.#generation
    for (;;) {
      await tasks.ready()
      const found = await tasks.lookup.find(seq)
      if (generation !== this.#generation) return
      const isGone = found === undefined || tasks.lookup.isDeleted(seq)
      const task = isGone ? undefined : tasks.lookup.current(found)
      if (!isGone && task === undefined) continue
      committer.together(() => {
        if (task !== undefined) tasks.withdraw(task)
        committer.writesFor(runId).dropOutbox(outbox)
      })
      committer.touch()
      return
    }
  }

  #deliver({ message, outbox, from }: Waiting, receiver: LiveExecution | undefined): void {
    const { committer } = this.#options
    let applied: LiveExecution | undefined = receiver
    if (message.kind === 'start-child') applied = this.#startChild(message, receiver)
    else if (receiver === undefined || !isForRun(message)) this.#toNobody(message)
    else this.#applyTo(receiver, message)
    if (applied === undefined) {
      committer.writesFor(from ?? NO_RUN).dropOutbox(outbox)
    } else {
      const batch = committer.batchFor(applied)
      applied.writes?.dropOutbox(outbox)
      if (from !== undefined) batch.links.push([from, applied.state.runId])
    }
  }

  #applyTo(receiver: LiveExecution, message: RunMessage): void {
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
            to: message.to.workflowId,
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
      case 'report-outcome': {
        const { terminal } = receiver.state
        const answer = terminal === undefined ? undefined : closedMessage(receiver.state, terminal)
        if (answer !== undefined) this.send(receiver, answer)
        return
      }
    }
    transitions.finish(receiver)
  }

  /** The child is gone, or never was: another execution has its id. */
  #refuseStranger(receiver: LiveExecution, message: Extract<Message, { readonly parent: ParentLink }>): void {
    const { kind, to, parent } = message
    if (kind !== 'report-outcome') {
      this.#options.logger.debug('a message has no receiver', { kind, to: to.workflowId })
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
      this.#options.logger.debug('a message has no receiver', { kind, to: to.workflowId })
      return
    }
    const { table, committer } = this.#options
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
    const outbox = { fromShard: table.shardOf(to), toShard: table.shardOf(key), seq: this.#nextSeq++ }
    committer.writesFor(NO_RUN).addOutbox({ ...outbox, message: JSON.stringify(answer) })
    this.#enqueue({ message: answer, outbox, from: NO_RUN })
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
    this.send(from, {
      kind: 'child-closed',
      to: parent.key,
      parentRunId: parent.runId,
      op: parent.op,
      child,
      outcome,
    })
  }
}

/** Messages that a run in memory takes at once. */
type RunMessage = Exclude<Message, { kind: 'start-child' | 'withdraw-task' }>

function isForRun(message: Message): message is RunMessage {
  return message.kind !== 'start-child' && message.kind !== 'withdraw-task'
}

/** Not so if the id was taken, or has been taken since. */
function isChild({ state }: LiveExecution, { runId, op }: ParentLink): boolean {
  return state.parent?.runId === runId && state.parent.op === op
}
