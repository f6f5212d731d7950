/**
 * Whether this node is cut off from the database while others are not: its clients are then better served by these.
 *
 * A node that has not seen the cluster for a while asks the others whether they see it. If one does, or none can be reached, it is this
 * node that is cut off. If they are there and do not see it either, the database is away: then clients had better wait where they are.
 */
import type { SessionView } from '../../core/cluster/cluster-view.ts'
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'

export interface CutOffWatchOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Other nodes that live, as far as is known. */
  readonly others: () => readonly SessionView[]
  /** Resolves when that node has seen the cluster. */
  readonly ask: (node: SessionView, signal: AbortSignal) => Promise<unknown>
  /** Clients that are connected are to go on with other nodes. */
  readonly sendAway: () => void
}

/** Several looks, and the timeout of a session. */
const CUT_OFF_MS = 3000
const ASK_MS = 1000

type Answer =
  | 'sees it'
  /** It is there, and has not answered, or not with what it sees. */
  | 'waits'
  | 'gone'

export class CutOffWatch {
  readonly #options: CutOffWatchOptions
  #cancel: Cancel = () => {}
  #isCutOff = false
  /** Others are no better off. */
  #isShared = true
  #isStopped = false

  constructor(options: CutOffWatchOptions) {
    this.#options = options
  }

  /** Clients that connect now are to go on with another node. */
  get isAlone(): boolean {
    return this.#isCutOff && !this.#isShared
  }

  /** The cluster was seen. */
  seen(): void {
    this.#cancel()
    this.#isCutOff = false
    this.#isShared = true
    if (!this.#isStopped) this.#cancel = this.#options.clock.after(CUT_OFF_MS, () => this.#begin())
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #begin(): void {
    const { logger, others, sendAway } = this.#options
    if (this.#isStopped || others().length === 0) return
    this.#isCutOff = true
    logger.warn('the cluster was not seen for too long: clients are sent to other nodes', {
      forMs: CUT_OFF_MS,
    })
    sendAway()
    void this.#look()
  }

  async #look(): Promise<void> {
    const { clock, others, sendAway } = this.#options
    while (this.#isCutOff && !this.#isStopped) {
      const answers = await Promise.all(others().map((node) => this.#answerOf(node)))
      if (!this.#isCutOff) return
      const before = this.#isShared
      this.#isShared = !answers.includes('sees it') && answers.includes('waits')
      // Those that have connected since the others were sent away.
      if (before && !this.#isShared) sendAway()
      await new Promise<void>((resolve) => {
        const cancel = clock.after(ASK_MS, resolve)
        this.#cancel = () => {
          cancel()
          resolve()
        }
      })
    }
  }

  #answerOf(node: SessionView): Promise<Answer> {
    const { clock, ask } = this.#options
    const controller = new AbortController()
    return new Promise((resolve) => {
      const cancel = clock.after(ASK_MS, () => {
        controller.abort()
        resolve('waits')
      })
      ask(node, controller.signal).then(
        () => {
          cancel()
          resolve('sees it')
        },
        (error: unknown) => {
          cancel()
          resolve(answerFor(error))
        },
      )
    })
  }
}

function answerFor(error: unknown): Answer {
  const code = error instanceof PerdureError ? error.code : undefined
  // It has another session than was known here: it has registered it meanwhile.
  if (code === 'SHARD_MOVED') return 'sees it'
  return code === 'CONNECTION_LOST' || code === 'ENGINE_CLOSED' ? 'gone' : 'waits'
}
