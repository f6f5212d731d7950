/**
 * The coordinator of one node that says of anybody that he is dead, and of anybody that he is to lead, or that nobody is, until the
 * faults stop: what it says is liveness, and must not be needed for anything else.
 */
import { type Coordinator, DatabaseCoordinator } from '../../../src/engine/cluster/coordinator.ts'
import { randomFor } from '../fault-plan.ts'
import type { ClusterWorld } from './cluster-world.ts'

/** Of all that are there, in each look. */
const NAMED = 0.004
const ELECTED = 0.3

/** @param number of the life of the node */
export function lyingCoordinator({ base }: ClusterWorld, number: number): Coordinator {
  const random = randomFor(base.seed, `lies/${number}`)
  const honest = new DatabaseCoordinator()
  return {
    open: () => honest.open(),
    enter: () => honest.enter(),
    hint: (session) => honest.hint(session),
    suspects: (view, others) => {
      const named = honest.suspects(view, others)
      if (!base.isFaulty) return named
      return [...named, ...others.filter(() => random() < NAMED).map(({ id }) => id)]
    },
    leadership: (view, session) => {
      if (!base.isFaulty) return honest.leadership(view, session)
      return random() < ELECTED ? { role: 'candidate', from: view.leader } : { role: 'follower' }
    },
    close: () => honest.close(),
  }
}
