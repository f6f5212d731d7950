/**
 * What may be true of dispatch, kept beside the engine from what passes its sockets: which token is good where, who runs
 * what, how many attempts and lost workers each task has had. The engine is compared with it at each message.
 *
 * 1. A report counts if its token is good: given out on this connection, its end not told, the connection not ended. What
 *    does not count is answered with `rejected`, and nothing else follows from it.
 * 2. A task has at most one attempt that is waited for. A connection has at most as many tasks as it has credits.
 * 3. While the store has no faults, attempts, losses and checkpoints of the engine are those of the books.
 */
import type { Randomness } from '../../../src/platform/randomness.ts'
import { isTaskClosed, type TaskStatus } from '../../../src/protocol/task-status.ts'
import type { DispatchCounters } from './dispatch-counters.ts'
import { FATAL, LOSSES_MAX, MAX_ATTEMPTS } from './dispatch-rules.ts'

/** What the books look at, of any message. */
export interface WireMessage {
  readonly type: string
  readonly token?: string
  readonly id?: string
  readonly attempt?: number
  readonly checkpoint?: unknown
  readonly result?: readonly unknown[]
  readonly failure?: { readonly name: string }
  readonly reason?: { readonly code?: string }
  readonly credits?: number
  readonly total?: number
  readonly run?: number
  readonly worker?: string
}

export interface TaskBook {
  readonly id: string
  status: TaskStatus | 'open'
  attempts: number
  /** Workers that were lost with it, one after the other. */
  losses: number
  checkpoint: string | undefined
  running: Token | undefined
  /** Results that were told with a good token. */
  readonly results: string[]
  /** A client has asked to cancel it, or to retry it: it may be anything then, within one batch. */
  mayBeCancelled: boolean
  mayBeRetried: boolean
}

interface Token {
  readonly text: string
  readonly link: number
  readonly task: TaskBook
  state: 'running' | 'aborted' | 'void'
}

interface LinkBook {
  isOpen: boolean
  credits: number
  /** Tokens that are not void. */
  out: number
  /** Tasks that were given to it when it lowered its credits, and that wait for their commit to be sent. */
  onTheWay: number
  worker: string
  readonly tokens: Map<string, Token>
}

const LIFE = new Set(['heartbeat', 'progress'])
const REPORTS = new Set(['completed', 'failed', 'yielded', 'returned', 'released', ...LIFE])
const FORGED = '[1,"json",null,"forged"]'

export interface DispatchBooksOptions {
  readonly counters: DispatchCounters
  /** The store has no faults: nothing that was told is dropped. */
  readonly isExact: boolean
  readonly random: Randomness
  readonly fault: (text: string) => void
  /** In the database; undefined: it is not there. */
  readonly statusOf: (id: string) => TaskStatus | undefined
  /** Places of a worker that are taken, as the engine counts. */
  readonly takenOf: (worker: string) => number
}

export class DispatchBooks {
  readonly tasks = new Map<string, TaskBook>()
  readonly #options: DispatchBooksOptions
  readonly #links = new Map<number, LinkBook>()
  readonly #tokens: Token[] = []
  #rejected: string[] = []

  constructor(options: DispatchBooksOptions) {
    this.#options = options
  }

  isOpen(link: number): boolean {
    return this.#links.get(link)?.isOpen === true
  }

  /** Tokens that are not void. */
  get out(): number {
    let out = 0
    for (const link of this.#links.values()) out += link.out
    return out
  }

  /** Somebody asks for it now. */
  asked(id: string): TaskBook {
    const task: TaskBook = {
      id,
      status: 'open',
      attempts: 0,
      losses: 0,
      checkpoint: undefined,
      running: undefined,
      results: [],
      mayBeCancelled: false,
      mayBeRetried: false,
    }
    this.tasks.set(id, task)
    return task
  }

  /** A report with a token that is not good on this connection: made up, somebody else's, or void. */
  forgedReport(link: number): WireMessage {
    const { random } = this.#options
    const kinds = [
      'completed',
      'completed',
      'failed',
      'yielded',
      'returned',
      'released',
      'heartbeat',
    ] as const
    const type = kinds[Math.floor(random() * kinds.length)] ?? 'completed'
    // The newest are the ones that may do harm.
    const back = Math.floor(random() ** 3 * this.#tokens.length)
    const known = this.#tokens[this.#tokens.length - 1 - back]
    const isGood = known?.link === link && known.state !== 'void'
    const token =
      known === undefined || isGood || random() < 0.1 ? `forged${Math.floor(random() * 1e9)}` : known.text
    if (type === 'completed') return { type, token, result: JSON.parse(FORGED) as unknown[] }
    if (type === 'yielded') return { type, token, checkpoint: JSON.parse(FORGED) }
    if (type !== 'failed') return { type, token }
    return {
      type,
      token,
      failure: { kind: 'application', name: FATAL, message: 'forged' } as { name: string },
    }
  }

  /** The engine has said something on a connection. */
  engineSays(link: number, message: WireMessage): void {
    switch (message.type) {
      case 'task':
        this.#dispatched(link, message)
        return
      case 'abort':
        this.#aborted(link, message)
        return
      case 'rejected':
        this.#options.counters.rejected += 1
        this.#rejected.push(message.token ?? '')
        return
      case 'welcome': {
        const book = this.#links.get(link)
        if (book !== undefined) book.worker = message.worker ?? ''
        return
      }
      case 'error':
        this.closed(link)
    }
  }

  /** A frame reaches the engine; `tell` gives it to it. */
  delivered(link: number, messages: readonly WireMessage[], tell: () => void): void {
    if (this.#links.get(link)?.isOpen === false) {
      tell()
      return
    }
    const expected: string[] = []
    for (const message of messages) if (!this.#said(link, message)) expected.push(message.token ?? '')
    this.#rejected = []
    tell()
    const [told, meant] = [this.#rejected.join(), expected.join()]
    if (told !== meant)
      this.#options.fault(
        `on link ${link} ${messages.map(({ type }) => type).join()} led to rejections of [${told}], not of [${meant}]`,
      )
  }

  /** The connection has ended for the engine: its tokens are void. */
  closed(number: number): void {
    const link = this.#links.get(number)
    if (link?.isOpen !== true) return
    link.isOpen = false
    for (const token of link.tokens.values()) {
      if (token.state === 'running') {
        const { task } = token
        const { counters } = this.#options
        task.running = undefined
        task.losses += 1
        counters.lostWithWorker += 1
        if (task.losses >= LOSSES_MAX) {
          task.status = 'failed'
          counters.poisoned += 1
        }
      }
      token.state = 'void'
    }
    link.tokens.clear()
    link.out = 0
  }

  /** Whether the engine should take it. */
  #said(number: number, message: WireMessage): boolean {
    const { type } = message
    if (type === 'hello') {
      const known = this.#links.get(number)
      if (known === undefined)
        this.#links.set(number, {
          isOpen: true,
          credits: message.credits ?? 0,
          out: 0,
          onTheWay: 0,
          worker: '',
          tokens: new Map(),
        })
      return true
    }
    const link = this.#links.get(number)
    if (link === undefined) return true
    if (type === 'credits') {
      link.credits = message.total ?? 0
      link.onTheWay = this.#options.takenOf(link.worker) - link.out
    }
    if (!REPORTS.has(type)) return true
    const token = link.tokens.get(message.token ?? '')
    if (token === undefined) return false
    if (LIFE.has(type)) {
      if (token.state === 'running' && message.checkpoint !== undefined)
        token.task.checkpoint = JSON.stringify(message.checkpoint)
      return true
    }
    if (token.state === 'running' && type === 'released') return false
    const counts = token.state === 'running' || type === 'released'
    if (token.state === 'running') this.#ended(token.task, message)
    token.state = 'void'
    link.tokens.delete(token.text)
    link.out -= 1
    return counts
  }

  /** A report that counts. */
  #ended(task: TaskBook, { type, checkpoint, result, failure }: WireMessage): void {
    task.running = undefined
    if (type === 'returned') return
    task.losses = 0
    if (type === 'yielded') task.checkpoint = JSON.stringify(checkpoint)
    else if (type === 'failed') this.#failed(task, failure?.name)
    else {
      task.status = 'completed'
      task.attempts += 1
      task.checkpoint = undefined
      const text = JSON.stringify(result)
      task.results.push(text)
      if (text === FORGED) this.#options.fault(`task ${task.id} was completed by somebody who did not run it`)
    }
  }

  #failed(task: TaskBook, name: string | undefined): void {
    task.losses = 0
    task.attempts += 1
    if (name === FATAL || task.attempts >= MAX_ATTEMPTS) task.status = 'failed'
  }

  #dispatched(number: number, { token: text = '', id = '', attempt, checkpoint }: WireMessage): void {
    const { counters, fault, isExact } = this.#options
    const link = this.#links.get(number)
    const task = this.tasks.get(id)
    counters.dispatches += 1
    if (link?.isOpen !== true || task === undefined) {
      fault(`task ${id} was given to link ${number}, which is not there, or was never enqueued`)
      return
    }
    if (task.running !== undefined)
      fault(`task ${id} was given to link ${number} while it runs on link ${task.running.link}`)
    if (link.onTheWay > 0) link.onTheWay -= 1
    else if (link.out >= link.credits)
      fault(`link ${number} got task ${id} beyond its ${link.credits} credits: ${link.out} are out`)
    this.#mayRun(task, attempt ?? 0, checkpoint === undefined ? undefined : JSON.stringify(checkpoint))
    if (isExact && isSuspected(task))
      for (const other of link.tokens.values())
        if (other.state === 'running' && isSuspected(other.task))
          fault(`tasks ${id} and ${other.task.id} share link ${number}, and are both suspected`)
    const token: Token = { text, link: number, task, state: 'running' }
    task.running = token
    link.tokens.set(text, token)
    link.out += 1
    this.#tokens.push(token)
  }

  #mayRun(task: TaskBook, attempt: number, checkpoint: string | undefined): void {
    const { fault, isExact, statusOf } = this.#options
    const { id } = task
    const durable = statusOf(id)
    if (durable === undefined) fault(`task ${id} runs before it is durable`)
    else if (isTaskClosed(durable)) fault(`task ${id} runs, and was ${durable} for good`)
    if (task.mayBeRetried && attempt === 1) {
      task.status = 'open'
      task.attempts = 0
    }
    if (!isExact || task.mayBeRetried) return
    if (task.status !== 'open') fault(`task ${id} runs, and is ${task.status}`)
    if (attempt !== task.attempts + 1)
      fault(`task ${id} runs in attempt ${attempt}, and ${task.attempts} have ended`)
    if (checkpoint !== task.checkpoint)
      fault(`task ${id} goes on from ${checkpoint}, and has left ${task.checkpoint}`)
  }

  #aborted(number: number, { token: text = '', reason }: WireMessage): void {
    const { counters, fault, isExact } = this.#options
    const token = this.#links.get(number)?.tokens.get(text)
    if (token?.state !== 'running') {
      fault(`token ${text} on link ${number} was aborted, and is ${token?.state ?? 'void'}`)
      return
    }
    counters.aborted += 1
    token.state = 'aborted'
    const { task } = token
    task.running = undefined
    switch (reason?.code) {
      case 'TASK_TIMEOUT':
        counters.timeouts += 1
        this.#failed(task, undefined)
        return
      case 'TASK_EXPIRED':
        task.status = 'expired'
        return
      case 'CANCELLED':
        task.status = 'cancelled'
        return
      case 'UNCOMMITTED':
        if (isExact) fault(`the engine started over, without a fault of the store`)
        return
      default:
        fault(`task ${task.id} was aborted for ${reason?.code}`)
    }
  }
}

/** One more lost worker, and it is not tried again. */
function isSuspected({ losses, mayBeRetried }: TaskBook): boolean {
  return losses === LOSSES_MAX - 1 && !mayBeRetried
}
