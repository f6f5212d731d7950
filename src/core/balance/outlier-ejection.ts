/**
 * Ejection of failing workers: who fails again and again gets no tasks for a while, longer each time, and is then tried again.
 * Source: Envoy, "Outlier detection". As there, ejection may be by failures in a row and by success rate, never takes more
 * than a part of the fleet, and lasts `baseEjectionMs` times the number of ejections so far.
 *
 * Other than Envoy: an ejection ends at its time, not at the next sweep; and workers have *peers*, those that can run the
 * same tasks. A worker that cannot run a task is no substitute for one that failed it.
 *
 * 1. At most `maxEjectedShare` of the workers are ejected at once, but one may always be, if there are two or more. The same
 *    holds for each group of peers that a worker is in: the last of a group is never ejected. When workers
 *    leave, others are let back for it.
 * 2. An ejection lasts min(baseEjectionMs * times, maxEjectionMs). `times` counts ejections; each `intervalMs` since the last
 *    return takes one from it.
 * 3. Success rates are those of one interval, of workers with `requestsMin` completions in it, if there are `workersMin` of
 *    them; below mean - deviations * standard deviation is an outlier.
 */

export interface SuccessRateOptions {
  /** Workers with enough completions that are needed for a comparison. Default 5. */
  readonly workersMin: number
  /** Completions in an interval for a worker's rate to count. Default 100. */
  readonly requestsMin: number
  /** Standard deviations below the mean. Default 1.9. */
  readonly deviations: number
}

export interface EjectionOptions {
  /** Failures in a row that eject. Default 5. */
  readonly consecutiveFailures: number
  /** Success rates are compared once in this time, and one ejection is forgiven. Default 10,000. */
  readonly intervalMs: number
  /** Default 30,000. */
  readonly baseEjectionMs: number
  /** Default 300,000. */
  readonly maxEjectionMs: number
  /** 0 to 1. Default 0.1. */
  readonly maxEjectedShare: number
  /** Default off. */
  readonly successRate: SuccessRateOptions | false
}

export const DEFAULT_SUCCESS_RATE: SuccessRateOptions = { workersMin: 5, requestsMin: 100, deviations: 1.9 }

export const DEFAULT_EJECTION: EjectionOptions = {
  consecutiveFailures: 5,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectedShare: 0.1,
  successRate: false,
}

/** What is kept of one worker. */
export interface Health {
  failuresInRow: number
  /** Of the current interval. */
  succeeded: number
  failed: number
  /** Ejections up to the last return, less those forgiven by then. */
  times: number
  returnedAtMs: number
  ejectedUntilMs: number | undefined
}

export const newHealth = (): Health => ({
  failuresInRow: 0,
  succeeded: 0,
  failed: 0,
  times: 0,
  returnedAtMs: 0,
  ejectedUntilMs: undefined,
})

export interface HealthMember {
  readonly health: Health
}

/** Workers that can run the same tasks. */
export interface Peers<Member> {
  readonly size: number
  has(member: Member): boolean
}

export class OutlierEjection<Member extends HealthMember> {
  private readonly options: EjectionOptions
  private readonly changed: (member: Member) => void
  private readonly groups: () => Iterable<Peers<Member>>
  private readonly members = new Set<Member>()
  private readonly ejected = new Set<Member>()
  private sweepAtMs: number | undefined
  private firstReturnMs = Number.POSITIVE_INFINITY

  /** `changed` is called when a worker is ejected and when it is let back. `groups`: see invariant 1. */
  constructor(
    options: EjectionOptions,
    changed: (member: Member) => void,
    groups: () => Iterable<Peers<Member>> = () => [],
  ) {
    this.options = options
    this.changed = changed
    this.groups = groups
  }

  /** When the next ejected worker is let back; infinite if there is none. */
  get nextReturnMs(): number {
    return this.firstReturnMs
  }

  add(member: Member): void {
    this.members.add(member)
  }

  /** Of a smaller fleet fewer may be ejected: those that would return first are let back. */
  remove(member: Member, nowMs: number): void {
    this.members.delete(member)
    this.ejected.delete(member)
    const excess = this.ejected.size - Math.max(0, this.ejectedMax(this.members.size))
    if (excess > 0) {
      const first = [...this.ejected].sort((a, b) => returnMs(a) - returnMs(b)).slice(0, excess)
      for (const each of first) this.release(each, nowMs)
    }
    this.findFirstReturn()
  }

  /** Counts a completion. */
  finished(member: Member, failed: boolean, nowMs: number): void {
    const { health } = member
    if (failed) health.failed++
    else health.succeeded++
    health.failuresInRow = failed ? health.failuresInRow + 1 : 0
    if (health.failuresInRow >= this.options.consecutiveFailures) this.eject(member, nowMs)
  }

  /** Lets back whoever's time is over, and sweeps when that is due. To be called before each pick; cheap. */
  advance(nowMs: number): void {
    if (nowMs >= this.firstReturnMs) this.letBack(nowMs)
    if (this.sweepAtMs === undefined) this.sweepAtMs = nowMs + this.options.intervalMs
    else if (nowMs >= this.sweepAtMs) this.sweep(nowMs)
  }

  /** These are peers from now on: if all of them are ejected, the one that would return first is let back. */
  keepOne(peers: Peers<Member>, nowMs: number): void {
    let first: Member | undefined
    let ejected = 0
    for (const member of this.ejected) {
      if (!peers.has(member)) continue
      ejected += 1
      if (first === undefined || returnMs(member) < returnMs(first)) first = member
    }
    if (first === undefined || ejected < peers.size) return
    this.release(first, nowMs)
    this.findFirstReturn()
  }

  private mayEject(member: Member): boolean {
    if (this.ejected.size >= this.ejectedMax(this.members.size)) return false
    for (const peers of this.groups()) {
      if (!peers.has(member)) continue
      let ejected = 0
      for (const other of this.ejected) if (peers.has(other)) ejected += 1
      if (ejected >= this.ejectedMax(peers.size)) return false
    }
    return true
  }

  private ejectedMax(workers: number): number {
    return Math.min(workers - 1, Math.max(1, Math.floor(this.options.maxEjectedShare * workers)))
  }

  private eject(member: Member, nowMs: number): void {
    const { baseEjectionMs, intervalMs, maxEjectionMs } = this.options
    const { health } = member
    if (health.ejectedUntilMs !== undefined || !this.mayEject(member)) return
    const forgiven = Math.floor((nowMs - health.returnedAtMs) / intervalMs)
    health.times = Math.max(0, health.times - forgiven) + 1
    health.ejectedUntilMs = nowMs + Math.min(baseEjectionMs * health.times, maxEjectionMs)
    this.ejected.add(member)
    this.firstReturnMs = Math.min(this.firstReturnMs, health.ejectedUntilMs)
    this.changed(member)
  }

  private letBack(nowMs: number): void {
    for (const member of this.ejected) {
      const untilMs = returnMs(member)
      if (untilMs <= nowMs) this.release(member, untilMs)
    }
    this.findFirstReturn()
  }

  private release(member: Member, returnedAtMs: number): void {
    const { health } = member
    this.ejected.delete(member)
    health.returnedAtMs = returnedAtMs
    health.ejectedUntilMs = undefined
    health.failuresInRow = 0
    health.failed = 0
    health.succeeded = 0
    this.changed(member)
  }

  private findFirstReturn(): void {
    this.firstReturnMs = Number.POSITIVE_INFINITY
    for (const member of this.ejected) this.firstReturnMs = Math.min(this.firstReturnMs, returnMs(member))
  }

  private sweep(nowMs: number): void {
    this.sweepAtMs = nowMs + this.options.intervalMs
    const { successRate } = this.options
    if (successRate !== false) this.ejectBySuccessRate(successRate, nowMs)
    for (const { health } of this.members) {
      health.succeeded = 0
      health.failed = 0
    }
  }

  private ejectBySuccessRate(options: SuccessRateOptions, nowMs: number): void {
    const rates: [member: Member, rate: number][] = []
    for (const member of this.members) {
      const { succeeded, failed, ejectedUntilMs } = member.health
      const requests = succeeded + failed
      if (ejectedUntilMs === undefined && requests > 0 && requests >= options.requestsMin)
        rates.push([member, succeeded / requests])
    }
    if (rates.length === 0 || rates.length < options.workersMin) return
    const mean = rates.reduce((sum, [, rate]) => sum + rate, 0) / rates.length
    const variance = rates.reduce((sum, [, rate]) => sum + (rate - mean) ** 2, 0) / rates.length
    const threshold = mean - options.deviations * Math.sqrt(variance)
    for (const [member, rate] of rates) if (rate < threshold) this.eject(member, nowMs)
  }
}

const returnMs = ({ health }: HealthMember): number => health.ejectedUntilMs ?? Number.POSITIVE_INFINITY
