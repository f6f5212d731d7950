/**
 * Whether this engine takes calls now: what a load balancer asks before it sends some, at `/readyz`.
 *
 * 1. An engine that is about to end is not ready before it stops to serve: balancers find out while their connections go on.
 * 2. What is not known is not ready: the database is asked, and one that does not answer in time counts as away.
 * 3. However many ask, the database is asked one question at a time.
 */
import type { Clock } from '../platform/clock.ts'
import { coalesced } from '../platform/coalesced.ts'
import type { Session } from '../store/contract/rows.ts'

export type NotReadyReason =
  /** It has stopped by itself, and must be started again. */
  | 'failed'
  /** It hands over what it has, or ends. */
  | 'draining'
  /** It is not open yet, or has not seen its cluster yet. */
  | 'starting'
  /** Its session was ended by another node: it joins anew. */
  | 'fenced'
  /** The database does not answer. */
  | 'store-away'
  /** Nobody is let in: nobody knows what policies forbid. */
  | 'access-shut'
  /** It settles what became of a commit, or starts over from the database. */
  | 'recovering'

export type Readiness =
  /** `warning`: it takes calls, and something is not as it was configured. */
  | { readonly isReady: true; readonly warning?: string }
  | { readonly isReady: false; readonly reason: NotReadyReason; readonly message: string }

export interface ReadinessParts {
  readonly engine: {
    readonly isFailed: boolean
    readonly session: Session
    readonly committer: { readonly isHalted: boolean }
    /** Throws unless calls are taken. */
    assertOpen(): void
  }
  readonly store: { hasCommitted(session: Session, seq: number): Promise<boolean> }
  readonly clock: Pick<Clock, 'after'>
  /** In a cluster. */
  readonly node?:
    | {
        readonly isDraining: boolean
        /** The session that it keeps alive; undefined: it has none at the moment. */
        readonly session: Session | undefined
        /** Undefined: it has not seen the cluster yet. */
        readonly view: object | undefined
      }
    | undefined
  /** With access: what is wrong with it, and whether anybody is let in. Not for strangers: the log has it. */
  readonly access?: () => { readonly isShut: boolean; readonly trouble: string | undefined } | undefined
  /** How long the database may take for its answer. Default 1,000 ms. */
  readonly storeWithinMs?: number
}

const STORE_WITHIN_MS = 1000
const MESSAGES: Readonly<Record<NotReadyReason, string>> = {
  failed: 'the engine has stopped by itself',
  draining: 'the engine hands over what it has, and takes what comes until it ends',
  starting: 'the engine is not open yet',
  fenced: 'the session of the node has ended: it joins the cluster anew',
  'store-away': 'the database does not answer',
  'access-shut': 'the policies cannot be read, so that nobody is let in: the log says what is wrong',
  recovering: 'the engine settles a commit, or starts over from the database',
}
const READY: Readiness = { isReady: true }
const OLD_POLICIES: Readiness = {
  isReady: true,
  warning: 'policies that were changed are not in force, those from before are: the log says what is wrong',
}

/** What doors ask. */
export type EngineReadiness = Pick<ReadinessCheck, 'isDraining' | 'isFailed' | 'look'>

export class ReadinessCheck {
  readonly #parts: ReadinessParts
  readonly #askStore: () => Promise<unknown>
  #isEnding = false

  constructor(parts: ReadinessParts) {
    this.#parts = parts
    // A batch that never was: nothing but that the database answers is asked.
    this.#askStore = coalesced(() => parts.store.hasCommitted(parts.engine.session, 0))
  }

  /** The engine is about to end. */
  beginDraining(): void {
    this.#isEnding = true
  }

  /** It should get no more connections: keep-alive ones end with their next answer. */
  get isDraining(): boolean {
    return this.#isEnding || this.#parts.node?.isDraining === true
  }

  get isFailed(): boolean {
    return this.#parts.engine.isFailed
  }

  async look(): Promise<Readiness> {
    const before = this.#reason()
    if (before !== undefined) return notReady(before)
    if (!(await this.#storeAnswers())) return notReady(this.#reason() ?? 'store-away')
    // It may have been found out by what the database has said.
    const reason = this.#reason() ?? (this.#parts.engine.committer.isHalted ? 'recovering' : undefined)
    if (reason !== undefined) return notReady(reason)
    const access = this.#parts.access?.()
    if (access?.isShut === true) return notReady('access-shut')
    return access?.trouble === undefined ? READY : OLD_POLICIES
  }

  #reason(): NotReadyReason | undefined {
    const { engine, node } = this.#parts
    if (engine.isFailed) return 'failed'
    if (this.isDraining) return 'draining'
    if (!isOpen(engine)) return 'starting'
    if (node === undefined) return undefined
    if (node.session === undefined || node.session !== engine.session) return 'fenced'
    return node.view === undefined ? 'starting' : undefined
  }

  async #storeAnswers(): Promise<boolean> {
    const { clock, storeWithinMs = STORE_WITHIN_MS } = this.#parts
    return new Promise((resolve) => {
      const cancel = clock.after(storeWithinMs, () => resolve(false))
      const answer = (hasAnswered: boolean): void => {
        cancel()
        resolve(hasAnswered)
      }
      this.#askStore().then(
        () => answer(true),
        () => answer(false),
      )
    })
  }
}

function notReady(reason: NotReadyReason): Readiness {
  return { isReady: false, reason, message: MESSAGES[reason] }
}

function isOpen(engine: ReadinessParts['engine']): boolean {
  try {
    engine.assertOpen()
    return true
  } catch {
    // That it throws is its answer; an engine that has failed was asked before.
    return false
  }
}
