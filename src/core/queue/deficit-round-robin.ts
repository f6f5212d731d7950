/**
 * Deficit round robin between flows: each round credits a flow its quantum times its weight; a flow is served while what it
 * has left pays for its next task. Source: Shreedhar and Varghese, "Efficient Fair Queueing Using Deficit Round Robin", 1995.
 *
 * The classical form visits flow after flow, and with tasks much longer than the quantum it visits each many times in vain.
 * Here a flow says in which round it can pay (its turn), and a heap finds the flow with the smallest: O(log flows) each.
 * Credits of rounds that nobody had to look at are added when they are needed.
 *
 * The length of a task is known when it has run. The estimate is charged first and settled later: a flow may be in debt.
 *
 * 1. A flow that waits is credited once per round; one that does not wait is not, beyond paying off its debt.
 * 2. A flow keeps no credit when nothing of it waits any more. It keeps its debt.
 * 3. Two flows that wait all the time have service in the ratio of their weights, within one quantum and one task each.
 */
import { positive } from './option-checks.ts'
import type { FlowOrder } from './policy.ts'

export interface DeficitRoundRobinOptions {
  /** Service per round and unit of weight, ms. */
  readonly quantumMs: number
  readonly weightOf?: (flow: string) => number
}

/** Flows that wait for nothing and whose debt is remembered; the oldest debt is forgiven first. */
const DEBTORS_MAX = 10_000

interface Account {
  readonly perRoundMs: number
  deficitMs: number
  /** Rounds up to this one are in the deficit. */
  creditedRound: number
  /** At which it could pay for its first task, when it was asked last. */
  turn: number
  isWaiting: boolean
}

export class DeficitRoundRobin implements FlowOrder {
  readonly #quantumMs: number
  readonly #weightOf: (flow: string) => number
  readonly #accounts = new Map<string, Account>()
  readonly #debtors = new Map<string, Account>()
  #round = 0

  constructor({ quantumMs, weightOf = () => 1 }: DeficitRoundRobinOptions) {
    positive('round-robin', 'quantumMs', quantumMs)
    this.#quantumMs = quantumMs
    this.#weightOf = weightOf
  }

  turn(flow: string, chargeMs: number): number {
    const account = this.#waiting(flow)
    const lackMs = chargeMs - account.deficitMs
    account.turn = account.creditedRound + (lackMs <= 0 ? 0 : Math.ceil(lackMs / account.perRoundMs))
    return account.turn
  }

  charge(flow: string, chargeMs: number): void {
    const account = this.#waiting(flow)
    this.#credit(account, this.turn(flow, chargeMs))
    account.deficitMs -= chargeMs
    if (account.creditedRound > this.#round) this.#round = account.creditedRound
    // It could pay, and nobody could serve it: the rounds that it missed are lost.
    else account.creditedRound = this.#round
  }

  settle(flow: string, chargeMs: number, servedMs: number): void {
    const account = this.#accounts.get(flow) ?? this.#debtors.get(flow)
    if (account !== undefined) {
      // The rounds so far were credited for a task that could not be paid in them.
      if (account.isWaiting) this.#credit(account, Math.min(this.#round, account.turn))
      account.deficitMs += chargeMs - servedMs
      if (!account.isWaiting && account.deficitMs >= 0) this.#debtors.delete(flow)
    } else if (servedMs > chargeMs) this.#remember(flow, this.#opened(flow, chargeMs - servedMs))
  }

  emptied(flow: string): void {
    const account = this.#accounts.get(flow)
    if (account === undefined) return
    this.#accounts.delete(flow)
    account.isWaiting = false
    account.deficitMs = Math.min(0, account.deficitMs)
    if (account.deficitMs < 0) this.#remember(flow, account)
  }

  /** What the flow has left in the present round, ms; negative: its debt. */
  deficitMs(flow: string): number {
    const account = this.#accounts.get(flow) ?? this.#debtors.get(flow)
    if (account === undefined) return 0
    return account.deficitMs + Math.max(0, this.#round - account.creditedRound) * account.perRoundMs
  }

  #waiting(flow: string): Account {
    const known = this.#accounts.get(flow)
    if (known !== undefined) return known
    const debtor = this.#debtors.get(flow)
    const account = debtor ?? this.#opened(flow, 0)
    if (debtor !== undefined) {
      this.#debtors.delete(flow)
      this.#credit(debtor, this.#round - 1)
      debtor.deficitMs = Math.min(0, debtor.deficitMs)
    }
    account.isWaiting = true
    this.#accounts.set(flow, account)
    return account
  }

  /** It is credited in the present round, whose tail it joins. */
  #opened(flow: string, deficitMs: number): Account {
    const weight = this.#weightOf(flow)
    positive('round-robin', `the weight of '${flow}'`, weight)
    return {
      perRoundMs: this.#quantumMs * weight,
      deficitMs,
      creditedRound: this.#round - 1,
      turn: this.#round,
      isWaiting: false,
    }
  }

  #credit(account: Account, round: number): void {
    if (round <= account.creditedRound) return
    account.deficitMs += (round - account.creditedRound) * account.perRoundMs
    account.creditedRound = round
  }

  #remember(flow: string, account: Account): void {
    if (this.#debtors.size >= DEBTORS_MAX) this.#debtors.delete(this.#debtors.keys().next().value as string)
    this.#debtors.set(flow, account)
  }
}
