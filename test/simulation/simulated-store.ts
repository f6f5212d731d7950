/**
 * The database as one instance of the engine reaches it: over a link that delays, loses and breaks.
 *
 * 1. A request takes effect at one instant, between the call and its answer, or after the caller was told that its fate
 *    is unknown, or never.
 * 2. After its instance has died no answer arrives, and no new request leaves; requests on their way may still arrive.
 * 3. What the contract promises holds: a fence that was answered defeats every earlier request of the session.
 */
import type { RunId } from '../../src/protocol/ids.ts'
import type { Batch, CommitOutcome } from '../../src/store/contract/batch.ts'
import type { NodeIdentity, Session } from '../../src/store/contract/rows.ts'
import {
  type Store,
  type StoreListQuery,
  type TimerPage,
  UnknownCommitError,
} from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import type { CommitFate, CrashSite } from './fault-plan.ts'
import type { World } from './world.ts'

const LATE_MS = 4000
const STALL_MS = 6000
const ANSWER_LIMIT_MS = 1500

/** The process that holds this link. */
export interface LinkOwner {
  readonly isAlive: boolean
  kill(site: CrashSite): void
  /** Resolves when the process moves again; absent: it moves. */
  held?(): Promise<void> | undefined
  /** Resolves when the link is there again; absent: it is there. */
  cut?(): Promise<void> | undefined
}

interface Reply {
  readonly atMs: number
  readonly give: () => void
}

export class SimulatedStore implements Store {
  /** Commits without an answer. */
  inFlight = 0
  session: Session | undefined
  readonly #world: World
  readonly #owner: LinkOwner
  readonly #inner: Store
  #replies: Reply[] = []
  #settlingSinceMs: number | undefined
  /** Commits of which the engine was told that they are not in: it tells its callers so. */
  readonly #settledOut = new Set<string>()
  /** The journal entry that the store refuses. */
  #poison: string | undefined

  constructor(world: World, owner: LinkOwner) {
    this.#world = world
    this.#owner = owner
    this.#inner = createMemoryStore(world.state)
  }

  async register(node: NodeIdentity): ReturnType<Store['register']> {
    const registered = await this.#call('register', () => this.#inner.register(node))
    this.session = registered.session
    this.endOfSettling()
    this.#world.note(`session ${registered.session.id}`)
    return registered
  }

  /** An unknown commit is settled, or its process has died over it: until now nothing could be committed. */
  endOfSettling(): void {
    if (this.#settlingSinceMs !== undefined) this.#world.outage(this.#settlingSinceMs, this.#world.nowMs)
    this.#settlingSinceMs = undefined
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    this.inFlight += 1
    try {
      return await this.#held(this.#commit(batch))
    } finally {
      this.inFlight -= 1
    }
  }

  fence(session: Session): Promise<void> {
    return this.#settling('fence', () => this.#inner.fence(session))
  }

  async hasCommitted(session: Session, seq: number): Promise<boolean> {
    const isIn = await this.#settling('hasCommitted', () => this.#inner.hasCommitted(session, seq))
    if (!isIn) this.#settledOut.add(`${session.id}.${seq}`)
    return isIn
  }

  currents(keys: Parameters<Store['currents']>[0]): ReturnType<Store['currents']> {
    return this.#read('currents', () => this.#inner.currents(keys))
  }

  executions(runIds: readonly RunId[]): ReturnType<Store['executions']> {
    return this.#read('executions', () => this.#inner.executions(runIds))
  }

  journal(runId: RunId, afterSeq: number, limit: number): ReturnType<Store['journal']> {
    return this.#read('journal', () => this.#inner.journal(runId, afterSeq, limit))
  }

  lastEntry(runId: RunId): ReturnType<Store['lastEntry']> {
    return this.#read('lastEntry', () => this.#inner.lastEntry(runId))
  }

  recoverable(after: RunId | undefined, limit: number): ReturnType<Store['recoverable']> {
    return this.#read('recoverable', () => this.#inner.recoverable(after, limit))
  }

  countOpen(...given: Parameters<Store['countOpen']>): ReturnType<Store['countOpen']> {
    return this.#read('countOpen', () => this.#inner.countOpen(...given))
  }

  timers(page: TimerPage): ReturnType<Store['timers']> {
    return this.#read('timers', () => this.#inner.timers(page))
  }

  outbox(limit: number): ReturnType<Store['outbox']> {
    return this.#read('outbox', () => this.#inner.outbox(limit))
  }

  list(query: StoreListQuery): ReturnType<Store['list']> {
    return this.#read('list', () => this.#inner.list(query))
  }

  lastTaskSeq(): ReturnType<Store['lastTaskSeq']> {
    return this.#read('lastTaskSeq', () => this.#inner.lastTaskSeq())
  }

  tasks(seqs: Parameters<Store['tasks']>[0]): ReturnType<Store['tasks']> {
    return this.#read('tasks', () => this.#inner.tasks(seqs))
  }

  taskSeqs(keys: Parameters<Store['taskSeqs']>[0]): ReturnType<Store['taskSeqs']> {
    return this.#read('taskSeqs', () => this.#inner.taskSeqs(keys))
  }

  keyHolders(keys: Parameters<Store['keyHolders']>[0]): ReturnType<Store['keyHolders']> {
    return this.#read('keyHolders', () => this.#inner.keyHolders(keys))
  }

  countOpenTasks(...given: Parameters<Store['countOpenTasks']>): ReturnType<Store['countOpenTasks']> {
    return this.#read('countOpenTasks', () => this.#inner.countOpenTasks(...given))
  }

  lanes(): ReturnType<Store['lanes']> {
    return this.#read('lanes', () => this.#inner.lanes())
  }

  waiting(page: Parameters<Store['waiting']>[0]): ReturnType<Store['waiting']> {
    return this.#read('waiting', () => this.#inner.waiting(page))
  }

  dueTasks(page: Parameters<Store['dueTasks']>[0]): ReturnType<Store['dueTasks']> {
    return this.#read('dueTasks', () => this.#inner.dueTasks(page))
  }

  listTasks(query: Parameters<Store['listTasks']>[0]): ReturnType<Store['listTasks']> {
    return this.#read('listTasks', () => this.#inner.listTasks(query))
  }

  schedules(keys: Parameters<Store['schedules']>[0]): ReturnType<Store['schedules']> {
    return this.#read('schedules', () => this.#inner.schedules(keys))
  }

  dueSchedules(page: Parameters<Store['dueSchedules']>[0]): ReturnType<Store['dueSchedules']> {
    return this.#read('dueSchedules', () => this.#inner.dueSchedules(page))
  }

  /** Asked at each start, also where there are none: it must not change what a seed draws. */
  listSchedules(query: Parameters<Store['listSchedules']>[0]): ReturnType<Store['listSchedules']> {
    return this.#inner.listSchedules(query)
  }

  /** The same: asked at each start, also in a simulation without tasks. */
  queueSettings(query: Parameters<Store['queueSettings']>[0]): ReturnType<Store['queueSettings']> {
    return this.#inner.queueSettings(query)
  }

  humanTasks(query: Parameters<Store['humanTasks']>[0]): ReturnType<Store['humanTasks']> {
    return this.#inner.humanTasks(query)
  }

  registryRows(query: Parameters<Store['registryRows']>[0]): ReturnType<Store['registryRows']> {
    return this.#inner.registryRows(query)
  }

  registryMark(): ReturnType<Store['registryMark']> {
    return this.#inner.registryMark()
  }

  auditRows(query: Parameters<Store['auditRows']>[0]): ReturnType<Store['auditRows']> {
    return this.#inner.auditRows(query)
  }

  auditSessions(): ReturnType<Store['auditSessions']> {
    return this.#inner.auditSessions()
  }

  auditHeads(query: Parameters<Store['auditHeads']>[0]): ReturnType<Store['auditHeads']> {
    return this.#inner.auditHeads(query)
  }

  async close(): Promise<void> {
    this.#world.note('store closed')
  }

  async #commit(batch: Batch): Promise<CommitOutcome> {
    const world = this.#world
    if (this.#diesAt('commit-sent')) return never()
    if (this.#isRefused(batch)) {
      await this.#delay()
      return { outcome: 'refused', reason: 'the simulation does not like it' }
    }
    const fate = this.#fate()
    world.counters.commits += 1
    if (fate !== 'normal') world.note(`commit ${batch.session.id}.${batch.seq} will be ${fate}`)
    switch (fate) {
      case 'lost':
        return this.#unknown()
      case 'failed-out':
        await this.#delay()
        throw new Error('EIO: the disk failed')
      case 'overtaken':
        world.scheduler.clock.after(ANSWER_LIMIT_MS + this.#overtakenMs(), () => this.#arrive(batch, fate))
        return this.#unknown()
      default:
        break
    }
    if (world.draw(world.plan.rates.stall)) await this.#stall()
    await this.#delay()
    if (world.isStandbyBehind) {
      world.note(`commit ${batch.session.id}.${batch.seq} is acknowledged, and no standby has it`)
      await this.#delay()
      return { outcome: 'committed' }
    }
    const outcome = await this.#arrive(batch, fate)
    if (outcome.outcome !== 'committed') {
      await this.#delay()
      return outcome
    }
    if (this.#diesAt('commit-applied')) return never()
    if (fate === 'failed-in') throw new Error('EIO: the disk failed after the write')
    if (fate === 'lost-ack') return this.#unknown()
    if (fate === 'late') {
      world.counters.lateAcks += 1
      await this.#wait(world.storeRandom() * LATE_MS)
    } else await this.#delay()
    // Answered, and dead before the answer was looked at: nothing of the batch is released.
    if (this.#diesAt('commit-acknowledged')) return never()
    return outcome
  }

  /** How long a commit is still on its way after the caller was told: a moment, or seconds, fenced meanwhile or not. */
  #overtakenMs(): number {
    const { storeRandom, plan } = this.#world
    return storeRandom() < 0.5 ? storeRandom() * 4 * (plan.latencyMs + 1) : storeRandom() * LATE_MS
  }

  #fate(): CommitFate {
    const world = this.#world
    if (this.#owner.cut?.() !== undefined) return world.storeRandom() < 0.5 ? 'lost' : 'lost-ack'
    const { late, lostAck, overtaken, lost, failed } = world.plan.rates
    if (world.draw(lostAck)) return 'lost-ack'
    if (world.draw(overtaken)) {
      world.counters.overtaken += 1
      return 'overtaken'
    }
    if (world.draw(late)) return 'late'
    if (world.draw(lost)) {
      world.counters.lostCommits += 1
      return 'lost'
    }
    if (world.draw(failed)) {
      world.counters.failedCommits += 1
      return world.storeRandom() < 0.5 ? 'failed-in' : 'failed-out'
    }
    return 'normal'
  }

  /** The request reaches the database, from an instance that lives or not. */
  async #arrive(batch: Batch, fate: CommitFate): Promise<CommitOutcome> {
    const world = this.#world
    const wrong = world.guard(batch)
    const answer = this.#inner.commit(batch)
    const outcome = await answer
    world.note(
      `commit ${batch.session.id}.${batch.seq} ${outcome.outcome} ${batch.journal.map((entry) => `${entry.runId}/${entry.seq}+${entry.count}`).join()}`,
    )
    if (outcome.outcome === 'committed') {
      world.faults.push(...wrong)
      if (this.#settledOut.has(`${batch.session.id}.${batch.seq}`))
        world.faults.push(
          `commit ${batch.session.id}.${batch.seq} took effect after it was settled as not in`,
        )
      world.durable.apply(batch)
      for (const { events } of batch.journal) world.trace.add(events)
      if (fate === 'lost-ack') world.counters.lostAcks += 1
    } else if (outcome.outcome === 'fenced' && fate === 'overtaken') world.counters.arrivedAfterFence += 1
    else if (outcome.outcome === 'refused')
      world.faults.push(`the store refused a batch of the engine: ${outcome.reason}`)
    return outcome
  }

  async #unknown(): Promise<never> {
    await this.#wait(ANSWER_LIMIT_MS)
    this.#world.note('the outcome is unknown')
    throw new UnknownCommitError('no answer within the limit')
  }

  /** Refuses all batches with one journal entry, so that the engine has to find it. */
  #isRefused(batch: Batch): boolean {
    const world = this.#world
    const textOf = (entry: Batch['journal'][number]): string => `${entry.runId} ${entry.seq} ${entry.events}`
    if (this.#poison === undefined && world.draw(world.plan.rates.refused)) {
      const entry = batch.journal[Math.floor(world.storeRandom() * batch.journal.length)]
      if (entry !== undefined) this.#poison = textOf(entry)
    }
    if (this.#poison === undefined) return false
    if (batch.journal.some((entry) => textOf(entry) === this.#poison)) {
      world.counters.refusals += 1
      world.note(`commit ${batch.session.id}.${batch.seq} is refused`)
      return true
    }
    if (!world.isFaulty) this.#poison = undefined
    return false
  }

  async #settling<T>(name: string, effect: () => Promise<T>): Promise<T> {
    this.#settlingSinceMs ??= this.#world.nowMs
    if (this.#world.draw(this.#world.plan.rates.settleError)) {
      await this.#delay()
      throw new Error(`${name}: the link is down`)
    }
    return this.#call(name, effect)
  }

  async #read<T>(name: string, effect: () => Promise<T>): Promise<T> {
    if (this.#diesAt('read-sent')) return never()
    if (this.#world.draw(this.#world.plan.rates.readStall)) await this.#stall()
    return this.#call(name, effect)
  }

  async #call<T>(name: string, effect: () => Promise<T>): Promise<T> {
    if (!this.#owner.isAlive) return never()
    const healed = this.#owner.cut?.()
    if (healed !== undefined) await healed
    await this.#delay()
    if (!this.#owner.isAlive && name !== 'fence') return never()
    const result = await effect()
    await this.#delay()
    const held = this.#owner.held?.()
    if (held !== undefined) await held
    return result
  }

  /** A request of another kind, over the same link. Short ones are not held up. */
  protected ask<T>(name: string, effect: () => Promise<T>, isShort = false): Promise<T> {
    return isShort ? this.#call(name, effect) : this.#read(name, effect)
  }

  /** No answer comes to a process that stands still. */
  #held<T>(answer: Promise<T>): Promise<T> {
    const { held } = this.#owner
    if (held === undefined) return answer
    return answer.finally(() => this.#owner.held?.())
  }

  #diesAt(site: 'commit-sent' | 'commit-applied' | 'commit-acknowledged' | 'read-sent'): boolean {
    if (!this.#owner.isAlive) return true
    if (!this.#world.drawCrash(site)) return false
    this.#owner.kill(site)
    return true
  }

  async #stall(): Promise<void> {
    const world = this.#world
    const ms = 500 + world.storeRandom() * STALL_MS
    world.counters.stalls += 1
    world.note('the store stalls')
    await this.#wait(ms)
  }

  #delay(): Promise<void> {
    const { plan, storeRandom } = this.#world
    if (plan.immediateShare > 0 && storeRandom() < plan.immediateShare) return Promise.resolve()
    return this.#wait(Math.floor(storeRandom() * (plan.latencyMs + 1)))
  }

  /** Answers that are due together may come in one macrotask, as one message of a writer thread brings them. */
  #wait(ms: number): Promise<void> {
    const { scheduler, plan } = this.#world
    const { clock } = scheduler
    const atMs = clock.nowMs() + Math.ceil(ms)
    if (ms >= ANSWER_LIMIT_MS / 3) this.#world.outage(clock.nowMs(), atMs)
    return new Promise((resolve) => {
      const reply = { atMs, give: resolve }
      this.#replies.push(reply)
      clock.after(ms, () => {
        const due = plan.groupReplies
          ? this.#replies.filter((each) => each.atMs <= clock.nowMs())
          : this.#replies.filter((each) => each === reply)
        this.#replies = this.#replies.filter((each) => !due.includes(each))
        for (const { give } of due) give()
      })
    })
  }
}

export function never(): Promise<never> {
  return new Promise(() => {})
}
