/**
 * `hash` and `ip-hash`: hash of a key, modulo the number of workers. The same key goes to the same worker as long as the fleet
 * stays the same; when a worker joins or leaves nearly all keys move. For fixed fleets; `consistent-hash` is for others.
 *
 * 1. Members are in order of ids: the order in which they joined does not matter.
 * 2. A member that is no candidate (full, ejected) is passed over by hashing again, as nginx does, so that its keys spread
 *    over all others; keys of the others do not move.
 */

import { textHash } from '../../protocol/text-hash.ts'
import type { BalancedWorker, Candidates, LoadBalancer, PickRequest } from './load-balancer.ts'
import { RoundRobin } from './round-robin.ts'

/** As in nginx. After that the next candidate by slot. */
const TRIES_MAX = 20

/** What callers inside the process count as. */
export const EMBEDDED_ADDRESS = '127.0.0.1'

export const keyOfHash = ({ hashKey }: PickRequest): string | undefined => hashKey
export const keyOfAddress = ({ clientAddress }: PickRequest): string => clientAddress ?? EMBEDDED_ADDRESS

export class HashModulo implements LoadBalancer {
  private readonly keyOf: (request: PickRequest) => string | undefined
  private readonly members: BalancedWorker[] = []
  private readonly withoutKey = new RoundRobin()

  constructor(keyOf: (request: PickRequest) => string | undefined) {
    this.keyOf = keyOf
  }

  pick(candidates: Candidates, request: PickRequest): BalancedWorker {
    const key = this.keyOf(request)
    if (key === undefined) return this.withoutKey.pick(candidates)
    if (candidates.size === 1) return candidates.at(0)
    const { members } = this
    let slot = 0
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const worker = members[textHash(key, attempt) % members.length]
      if (worker === undefined) continue
      if (candidates.has(worker)) return worker
      slot = worker.slot
    }
    return candidates.from(slot)
  }

  added(worker: BalancedWorker): void {
    const index = this.members.findIndex(({ id }) => id > worker.id)
    this.members.splice(index < 0 ? this.members.length : index, 0, worker)
  }

  removed(worker: BalancedWorker): void {
    const index = this.members.indexOf(worker)
    if (index >= 0) this.members.splice(index, 1)
  }
}
