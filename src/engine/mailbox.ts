/**
 * Messages between executions, and between an execution and its tasks.
 *
 * 1. A message is applied in the batch of its sender if its receiver is in memory and nothing for it waits; else it is an
 *    outbox row of the sender's batch, and the batch that applies it drops the row. So none is lost and none applied twice.
 * 2. Messages to one execution are applied in the order in which they were sent.
 * 3. A message that cannot be applied is answered or dropped; it never holds up the next one.
 * 4. After a new start nothing is delivered before what the store holds is queued: that was sent first.
 * 5. A message to a shard of another node leaves after the commit of its row, and its row is dropped when the other node has
 *    said that it has committed it. One that comes from another node is applied in the batch that notes its number, so that it
 *    is known if it comes again; those of one pair of shards are applied one after the other. So is one that an owner of its
 *    sender's shard before has sent, when both shards are here.
 */
import type { Logger } from '../platform/logger.ts'
import { keyText, type RunId, type WorkflowKey } from '../protocol/ids.ts'
import { MESSAGES_PER_EPOCH, type Message, shardOfMessage } from '../protocol/message.ts'
import type { ShardMail } from '../store/contract/cluster-store.ts'
import type { OutboxKey, OutboxRow } from '../store/contract/rows.ts'
import { AdoptedMail } from './cluster/adopted-mail.ts'
import type { OutgoingMail } from './cluster/cluster-parts.ts'
import { Inbox } from './cluster/inbox.ts'
import type { Ownership } from './cluster/ownership.ts'
import type { Committer } from './committer.ts'
import { Delivery, isForRun, type Waiting } from './delivery.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import type { MessageMetrics } from './metrics/message-metrics.ts'
import { NO_RUN } from './no-run.ts'
import type { TaskDesk } from './tasks/task-desk.ts'
import type { Transitions } from './transitions.ts'

export interface MailboxOptions {
  readonly table: LiveTable
  readonly committer: Committer
  readonly transitions: Transitions
  readonly ownership: Ownership
  readonly logger: Logger
  readonly tasks: () => TaskDesk
  /** In a cluster. */
  readonly outgoing: OutgoingMail | undefined
  readonly onError: (error: unknown) => void
  readonly metrics: MessageMetrics | undefined
}

export class Mailbox {
  readonly #options: MailboxOptions
  readonly #delivery: Delivery
  readonly #inbox: Inbox
  readonly #adopted = new AdoptedMail()
  /** Messages that wait for their receiver to be read, by receiver. */
  readonly #queues = new Map<string, Waiting[]>()
  /** Messages sent while the outbox is read; undefined when it is not. */
  #held: Waiting[] | undefined
  /** Goes on when everything is forgotten: the session may go on too, with the same epochs. */
  #nextNumber = 0
  /** Messages to other nodes whose rows are not durable yet, in order. */
  readonly #leaving = new Set<OutboxRow>()

  constructor(options: MailboxOptions) {
    this.#options = options
    this.#inbox = new Inbox(options.committer)
    this.#delivery = new Delivery({
      ...options,
      inbox: this.#inbox,
      send: (from, message) => this.send(from, message),
      sendFromNobody: (from, message) => this.#post(this.#rowOf(from, message), message, NO_RUN),
    })
  }

  get isDelivering(): boolean {
    return this.#queues.size > 0
  }

  /** That messages wait for. */
  get receivers(): number {
    return this.#queues.size
  }

  /** What is sent waits for `load`. */
  get isHolding(): boolean {
    return this.#held !== undefined
  }

  /** Starts over in a new session: everything is forgotten, and what is sent from now on is held until `load`. */
  reset(): void {
    for (const queue of this.#queues.values()) for (const { gone } of queue) gone?.()
    this.#queues.clear()
    this.#inbox.clear()
    this.#adopted.clear()
    this.#options.outgoing?.clear()
    this.#leaving.clear()
    this.#held = []
  }

  /** What the store held at the start of the session. */
  load(rows: readonly OutboxRow[]): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const row of rows) this.#enqueue(waitingOf(row))
    for (const waiting of held) this.#enqueue(waiting)
  }

  /** Shards that are owned from now on: what they have sent, and how far what was sent to them is applied. */
  adopt(shards: readonly number[], { outbox, inbox }: ShardMail): void {
    const { ownership, outgoing } = this.#options
    this.#inbox.restore(inbox)
    const own = new Set(shards)
    const away: OutboxRow[] = []
    for (const row of [...(outgoing?.takeTo(own) ?? []), ...this.#takeLeaving(own), ...outbox]) {
      if (!ownership.owns(row.toShard)) away.push(row)
      // Its answer was lost with the node that had applied it.
      else if (this.#inbox.has(row)) this.#dropRow(row)
      else {
        this.#adopted.add(row)
        this.#enqueue({ ...waitingOf(row), isAdopted: true })
      }
    }
    outgoing?.add(away)
    this.#options.committer.touch()
  }

  /** Shards that are given up in the open batch: what they have sent is sent by their next owner. */
  release(shards: ReadonlySet<number>): void {
    const { outgoing } = this.#options
    outgoing?.dropFrom(shards)
    for (const row of [...this.#leaving]) if (shards.has(row.fromShard)) this.#leaving.delete(row)
    const left: { readonly row: OutboxRow; readonly from: RunId }[] = []
    for (const [text, queue] of [...this.#queues]) {
      const kept = queue.filter(({ row, isForeign, isAdopted, gone, message, from }) => {
        if (!shards.has(row.toShard) && (isForeign || !shards.has(row.fromShard))) return true
        gone?.()
        if (isAdopted === true) this.#adopted.remove(row)
        if (!isForeign && !shards.has(row.fromShard))
          left.push({ row: { ...row, message: JSON.stringify(message) }, from: from ?? NO_RUN })
        return false
      })
      if (kept.length === queue.length) continue
      // Whoever works on the old list finds that it is gone.
      this.#queues.delete(text)
      for (const waiting of kept) this.#enqueue(waiting)
    }
    // They waited by receiver; between shards they go in the order of their numbers.
    left.sort((a, b) => a.row.seq - b.row.seq)
    for (const { row, from } of left) this.#leave(row, from)
    this.#inbox.release(shards)
  }

  send(from: LiveExecution, message: Message): void {
    const { committer } = this.#options
    const receiver = isForRun(message) ? this.#present(message.to) : undefined
    if (isForRun(message) && receiver !== undefined) {
      committer.batchFor(from)
      this.#options.metrics?.inMemory.add()
      this.#delivery.applyTo(receiver, message)
      committer.batchFor(from).links.push([from.state.runId, receiver.state.runId])
      return
    }
    committer.batchFor(from)
    this.#post(this.#rowOf(from.shard, message), message, from.state.runId)
  }

  /** From a task of a run: one of the changes of that run, if it is here. `shard`: of the queue. */
  report(message: Extract<Message, { kind: 'task-closed' }>, shard: number): void {
    const receiver = this.#present(message.to)
    if (receiver === undefined) this.#post(this.#rowOf(shard, message), message, message.runId)
    else {
      this.#options.metrics?.inMemory.add()
      this.#delivery.applyTo(receiver, message)
    }
  }

  /** Of a desk of this shard, to an execution of another node. In the open batch, as a change of `run`. */
  post(shard: number, message: Message, run: RunId): void {
    this.#post(this.#rowOf(shard, message), message, run)
  }

  /**
   * Messages of another node. Resolves when they are applied, and that is durable.
   *
   * Errors: `SHARD_MOVED`, and those of a batch that was dropped: then they are to be sent again.
   */
  async receive(rows: readonly OutboxRow[]): Promise<void> {
    this.#options.metrics?.fromNode.add(rows.length)
    await this.#inbox.receive(rows, (row) => this.#receive(row))
    await this.#inbox.durable(rows)
  }

  /** The other node has them, for sure. */
  acknowledged(rows: readonly OutboxKey[]): void {
    const { ownership, committer } = this.#options
    for (const row of rows)
      if (ownership.owns(row.fromShard) && epochOfNumber(row.seq) <= ownership.epochOf(row.fromShard))
        this.#dropRow(row)
    committer.touch()
  }

  /** @param pairs as `OpenBatch.pairsThatTie` has them */
  separate(pairs: readonly string[]): void {
    this.#inbox.separate(pairs)
  }

  #receive(row: OutboxRow): Promise<boolean> {
    return new Promise((resolve) => {
      const { ownership } = this.#options
      // Of a shard that is owned here by now its row is here too: whoever sends it has lost it.
      const isLost = ownership.owns(row.fromShard) || !ownership.owns(row.toShard)
      if (isLost || this.#held !== undefined) {
        resolve(false)
        return
      }
      this.#enqueue({
        ...waitingOf(row),
        isForeign: true,
        applied: () => resolve(true),
        gone: () => resolve(false),
      })
    })
  }

  #dropRow({ fromShard, toShard, seq }: OutboxKey): void {
    this.#options.committer.writesFor(NO_RUN).dropOutbox({ fromShard, toShard, seq })
  }

  #rowOf(fromShard: number, message: Message): OutboxKey {
    const { ownership } = this.#options
    const toShard = shardOfMessage(message, ownership.shards)
    this.#nextNumber += 1
    if (this.#nextNumber >= MESSAGES_PER_EPOCH)
      throw new Error('invariant: a session has numbers for its messages; start the engine again')
    return { fromShard, toShard, seq: ownership.epochOf(fromShard) * MESSAGES_PER_EPOCH + this.#nextNumber }
  }

  /** Into the outbox of the open batch, and on its way. */
  #post(row: OutboxKey, message: Message, from: RunId): void {
    const { committer, ownership, metrics } = this.#options
    const full = { ...row, message: JSON.stringify(message) }
    committer.writesFor(from).addOutbox(full)
    if (ownership.owns(row.toShard)) {
      metrics?.byOutbox.add()
      this.#enqueue({ message, row, isForeign: false, from })
      return
    }
    metrics?.toNode.add()
    this.#leave(full, from)
  }

  /** To another node, when its row is durable. */
  #leave(row: OutboxRow, from: RunId): void {
    this.#leaving.add(row)
    this.#options.committer.releaseAfterOpen(from, (dropped) => {
      // Its shards may have come or gone meanwhile.
      if (this.#leaving.delete(row) && dropped === undefined) this.#options.outgoing?.add([row])
    })
  }

  /** The receivers have come here. */
  #takeLeaving(shards: ReadonlySet<number>): OutboxRow[] {
    const taken = [...this.#leaving].filter(({ toShard }) => shards.has(toShard))
    for (const row of taken) this.#leaving.delete(row)
    return taken
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
    const known = this.#queues.get(text)
    if (known !== undefined) {
      known.push(waiting)
      return
    }
    const queue = [waiting]
    this.#queues.set(text, queue)
    this.#work(text, to, queue).catch(this.#options.onError)
  }

  /** It has come twice, by its row and from whoever had it before. */
  #isDone({ row, isForeign, isAdopted = false, applied }: Waiting): boolean {
    if (!(isForeign || isAdopted) || !this.#inbox.has(row)) return false
    if (isAdopted) {
      this.#adopted.remove(row)
      this.#dropRow(row)
      this.#options.committer.touch()
    }
    applied?.()
    return true
  }

  #isNext({ row, isAdopted = false }: Waiting): boolean {
    return !isAdopted || this.#adopted.isNext(row)
  }

  async #work(text: string, key: WorkflowKey, queue: Waiting[]): Promise<void> {
    const { table } = this.#options
    const isWanted = (): boolean => this.#queues.get(text) === queue
    for (;;) {
      const [first] = queue
      if (first !== undefined && this.#isDone(first)) {
        queue.shift()
        continue
      }
      if (first !== undefined && !this.#isNext(first)) {
        await this.#adopted.changed()
        if (!isWanted()) return
        continue
      }
      // Those of other nodes have waited in the inbox.
      const apart = first?.isAdopted === true ? this.#inbox.apart(first.row) : undefined
      if (apart !== undefined) {
        const isDurable = await apart.then(
          () => true,
          () => false,
        )
        // What was built on it is dropped with it, and so is this queue.
        if (!isDurable || !isWanted()) return
        continue
      }
      if (first !== undefined && this.#delivery.isForQueue(first.message)) {
        await this.#delivery.toQueue(first, isWanted)
        if (!isWanted()) return
        queue.shift()
        if (first.isAdopted === true) this.#adopted.remove(first.row)
        continue
      }
      const [runId] = await table.currentRuns([key])
      const loaded = runId === undefined ? undefined : await table.load(runId)
      if (!isWanted()) return
      // A run that was read may have been replaced meanwhile: the newest one gets the message.
      const receiver = table.current(key) ?? loaded
      // It left memory in this moment.
      if (receiver !== undefined && table.get(receiver.state.runId) !== receiver) continue
      // It came meanwhile, and has to wait, or needs no receiver.
      if (queue[0] !== first) continue
      const next = queue.shift()
      if (next === undefined) {
        this.#queues.delete(text)
        return
      }
      // What applies it and what drops it from the outbox share a commit.
      this.#options.committer.together(() => this.#delivery.deliver(next, receiver))
      if (next.isAdopted === true) this.#adopted.remove(next.row)
      next.applied?.()
      this.#options.committer.touch()
    }
  }
}

function waitingOf({ message, ...row }: OutboxRow): Waiting {
  return { message: JSON.parse(message) as Message, row, isForeign: false, from: undefined }
}

function epochOfNumber(seq: number): number {
  return Math.floor(seq / MESSAGES_PER_EPOCH)
}
