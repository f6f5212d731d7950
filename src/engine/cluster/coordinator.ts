/**
 * Tells a node which of the others have died, and whether it is the one that leads.
 *
 * Both are only liveness. Sessions, shards and the leader's row are in the database, and each write of them is compared with what
 * is there: an answer that is old, or wrong, may cost time and a needless move, and nothing else. So a coordinator answers at once,
 * from what it knows; what it asks of anybody else, it asks behind, and a look at the database never waits for that.
 */
import type { ClusterView, SessionView } from '../../core/cluster/cluster-view.ts'
import { FailureDetector, type FailureDetectorOptions } from '../../core/cluster/failure-detector.ts'
import { type Leadership, leadershipOf } from '../../core/cluster/leadership.ts'
import type { ClusterNode } from '../../store/contract/cluster-store.ts'
import type { Session } from '../../store/contract/rows.ts'

export interface Coordinator {
  /**
   * Resolves when it can be asked; before that no node joins.
   *
   * @throws PerdureError `COORDINATOR_UNAVAILABLE`
   */
  open(): Promise<void>
  /** The node has this session from now on, and no other. */
  enter(session: Session, node: ClusterNode): void
  /** The connection to the node of that session has closed. */
  hint(session: number): void
  /**
   * After each look that has succeeded: those of the others that have died.
   *
   * @param others the sessions of the view that are neither fenced nor the own one
   */
  suspects(view: ClusterView, others: readonly SessionView[]): readonly number[]
  /** What follows for this session from that view; asked after `suspects`. */
  leadership(view: ClusterView, session: Session): Leadership
  /** The node has ended. Never rejects. */
  close(): Promise<void>
}

/** The default: by the heartbeats and the leader's row of the database alone. */
export class DatabaseCoordinator implements Coordinator {
  readonly #options: FailureDetectorOptions | undefined
  #detector: FailureDetector

  constructor(options?: FailureDetectorOptions) {
    this.#options = options
    this.#detector = new FailureDetector(options)
  }

  async open(): Promise<void> {}

  /** Who joins has observed nobody yet. */
  enter(): void {
    this.#detector = new FailureDetector(this.#options)
  }

  hint(session: number): void {
    this.#detector.hint(session)
  }

  suspects({ databaseMs }: ClusterView, others: readonly SessionView[]): readonly number[] {
    return this.#detector.look(databaseMs, others)
  }

  leadership(view: ClusterView, session: Session): Leadership {
    return leadershipOf(view, session.id)
  }

  async close(): Promise<void> {}
}
