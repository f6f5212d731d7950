/**
 * Claims in a cluster: a task is claimed at the node that owns its queue, whichever was asked, and what is said of a claim is
 * brought to the node that has it.
 */
import type { SessionView } from '../../core/cluster/cluster-view.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { queueShardOf } from '../../protocol/ids.ts'
import type { RouterOptions } from '../cluster/router.ts'
import type { ClaimDesk } from './claim-desk.ts'
import type { ClaimedTask, ClaimPort, ClaimReply, ClaimRequest, ClaimTell } from './claim-port.ts'
import { claimLost, claimTokenOf } from './claim-token.ts'

/** So often it is looked anew who owns the queue. */
const SLICE_MS = 5000
const PAUSE_MS = 100
/** The owner has changed, or is about to. */
const ELSEWHERE = new Set(['SHARD_MOVED', 'CONNECTION_LOST', 'ENGINE_CLOSED', 'UNCOMMITTED', 'CANCELLED'])

export class ClusterClaims implements ClaimPort {
  readonly #options: Pick<RouterOptions, 'engine' | 'links' | 'nodes'>
  readonly #desk: ClaimDesk

  constructor(options: Pick<RouterOptions, 'engine' | 'links' | 'nodes'>, desk: ClaimDesk) {
    this.#options = options
    this.#desk = desk
  }

  async take(request: ClaimRequest, signal?: AbortSignal): Promise<readonly ClaimedTask[]> {
    const { engine, nodes } = this.#options
    const endMs = performance.now() + request.waitMs
    for (;;) {
      engine.assertOpen()
      const leftMs = Math.max(0, Math.round(endMs - performance.now()))
      const owners = this.#ownersOf(request)
      const slice = { ...request, waitMs: Math.min(leftMs, SLICE_MS) }
      const found = owners.length === 0 ? [] : await this.#takeFrom(owners, slice, signal)
      if (found.length > 0 || leftMs === 0 || signal?.aborted === true) return found
      if (owners.length === 0) await nodes.changed(Math.min(leftMs, PAUSE_MS))
    }
  }

  async tell(tell: ClaimTell): Promise<ClaimReply> {
    const { engine, nodes, links } = this.#options
    const { session } = claimTokenOf(tell.token)
    if (session === engine.session.id) return this.#desk.tell(tell)
    const holder = nodes.others().find(({ id }) => id === session)
    if (holder === undefined) throw claimLost('the node that had the claim has gone')
    // The one cast: what a node answers is what its desk does.
    return (await links.call(holder, 'claims.tell', [tell])) as ClaimReply
  }

  #ownersOf({ namespace, queue }: ClaimRequest): ('here' | SessionView)[] {
    const { engine, nodes } = this.#options
    const partitions = engine.options.designs.partitionsOf(queue)
    const owners = Array.from({ length: partitions }, (_, partition) =>
      nodes.ownerOf(queueShardOf({ namespace, queue, partition }, engine.ownership.shards)),
    )
    return [...new Set(owners.filter((owner) => owner !== undefined))]
  }

  /** Of all of them at once; the first that has some is enough. */
  async #takeFrom(
    owners: readonly ('here' | SessionView)[],
    request: ClaimRequest,
    signal: AbortSignal | undefined,
  ): Promise<readonly ClaimedTask[]> {
    const enough = new AbortController()
    const until = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal])
    const lists = await Promise.all(
      owners.map(async (owner) => {
        const found = await this.#takeAt(owner, request, until)
        if (found.length > 0) enough.abort()
        return found
      }),
    )
    const found = lists.flat()
    // Several had some in the same moment.
    for (const { token } of found.slice(request.most)) await this.#giveBack(token, request)
    return found.slice(0, request.most)
  }

  async #takeAt(
    owner: 'here' | SessionView,
    request: ClaimRequest,
    signal: AbortSignal,
  ): Promise<readonly ClaimedTask[]> {
    const { links, nodes } = this.#options
    try {
      if (owner === 'here') return await this.#desk.take(request, signal)
      return (await links.call(owner, 'claims.take', [request], signal)) as readonly ClaimedTask[]
    } catch (error) {
      if (!(error instanceof PerdureError && ELSEWHERE.has(error.code))) throw error
      nodes.look()
      await nodes.changed(Math.min(request.waitMs, PAUSE_MS))
      return []
    }
  }

  async #giveBack(token: string, { namespace, caller }: ClaimRequest): Promise<void> {
    try {
      await this.tell({ token, namespace, caller, report: { kind: 'return' } })
    } catch (error) {
      // It waits again by itself when the node is gone, or the lease is over.
      if (!(error instanceof PerdureError)) throw error
    }
  }
}
