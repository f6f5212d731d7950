/**
 * Who leads: the session that the leader's row names, as long as it is not fenced. Whoever finds that row without a living
 * session, or with one that drains, takes it by compare-and-set, so that one of several wins.
 *
 * Or an election that is held elsewhere says who is to lead (`leadershipByQueue`): that one takes the row, also from a session
 * that lives. The row says who leads in any case.
 *
 * Leading is only liveness. What a leader writes is compared and set as well: one that was stopped and goes on finds that its
 * writes no longer fit, and harms nobody.
 */
import { type ClusterView, type LeaderView, livingSessions } from './cluster-view.ts'

export type Leadership =
  | { readonly role: 'leader' | 'follower' }
  /** Set the row to the own session and the next term, if it is still `from`. */
  | { readonly role: 'candidate'; readonly from: LeaderView | undefined }

export function leadershipOf(view: ClusterView, session: number): Leadership {
  const { leader } = view
  if (leader?.session === session) return { role: 'leader' }
  const living = livingSessions(view)
  const own = living.get(session)
  const leading = leader === undefined ? undefined : living.get(leader.session)
  // Who leaves soon leads only if nobody else can.
  const isLast = [...living.values()].every(({ isDraining }) => isDraining)
  if (own === undefined || (own.isDraining && !isLast)) return { role: 'follower' }
  if (leading !== undefined && (!leading.isDraining || own.isDraining)) return { role: 'follower' }
  return { role: 'candidate', from: leader }
}

/**
 * By an election that is held elsewhere. Of nobody in it who may lead, the row alone decides: the election has nothing to say.
 *
 * @param queue incarnations of sessions that stand, the first one first. Those of other clusters, and of the past, are passed over
 */
export function leadershipByQueue(view: ClusterView, session: number, queue: readonly string[]): Leadership {
  const { leader } = view
  const standing = new Map(
    [...livingSessions(view).values()]
      .filter(({ isDraining }) => !isDraining)
      .map(({ incarnation, id }) => [incarnation, id]),
  )
  const elected = queue.map((incarnation) => standing.get(incarnation)).find((id) => id !== undefined)
  if (elected === undefined) return leadershipOf(view, session)
  if (leader?.session === session) return { role: 'leader' }
  return elected === session ? { role: 'candidate', from: leader } : { role: 'follower' }
}
