/**
 * Weights that follow the load that workers report.
 *
 * A worker is compared with the others of its fleet: one that shows twice the load of the rest is given less until it shows
 * what they show. So a fleet that is busy as a whole keeps its weights, and nobody has to know what "80 % CPU" means on
 * which machine. Work causes load, so this is a control loop: the target is a power of the ratio, approached step by step.
 *
 * Overload is told by the worst signal (one resource at its end is enough), recovery by all of them together (a CPU that is
 * busy with something else must not hide that the tasks flow again). Memory does not follow the work of the moment; it
 * takes weight by itself when it runs short.
 *
 * 1. The factor is between `FACTOR_MIN` and 1; a worker that has reported nothing, or is alone, has 1.
 * 2. A signal below its idle level, here and elsewhere, says nothing.
 * 3. At rest a worker that is k times as slow has the share k^(-POWER / (POWER + 1)) of a healthy one: 0.29 for k = 4.
 */
import type { BalancedWorker, WorkerLoad } from './load-balancer.ts'

const FACTOR_MIN = 1 / 16
const POWER = 8
/** A step goes this far towards its target in one time constant (1 - 1/e). */
const SMOOTHING_MS = 14_000
/** Between two reports never more than this counts: a longer step would overshoot. */
const STEP_MS_MAX = 1000
/** One report cannot say more than this, so that one pause of the garbage collector is no catastrophe. */
const RATIO_MAX = 4
/** What a new report counts against those before: tasks in flight at one moment are mostly chance. */
const REPORT_SHARE = 0.6
/** Up to this above the others is noise. */
const RATIO_OVERLOADED = 1.1
/** What counts when nothing is above its idle level: weights recover. */
const RATIO_IDLE = 0.5
/** Memory in use from which weight is taken, linearly down to `FACTOR_MIN` at 1. */
const MEMORY_SCARCE = 0.85

/** cpu, event-loop delay, disk, tasks in flight for a weight of 1: the load at which each begins to say something. */
const IDLE_LEVELS = [0.1, 20, 0.1, 1] as const

interface Reported {
  readonly signals: readonly number[]
  readonly atMs: number
  /** Natural logarithm of the part that follows signals; 0 or less. */
  readonly log: number
  readonly factor: number
}

export class LoadWeights {
  private readonly reports = new Map<BalancedWorker, Reported>()
  private readonly sums = IDLE_LEVELS.map(() => 0)

  /** Takes a report and gives the new factor. */
  reported(worker: BalancedWorker, load: WorkerLoad, nowMs: number): number {
    const before = this.reports.get(worker)
    const signals = smoothed(
      [load.cpu, load.eventLoopDelayMs, load.diskIo, load.inFlight / worker.weight],
      before?.signals,
    )
    const others = this.reports.size - (before === undefined ? 0 : 1)
    this.addToSums(signals, before?.signals ?? [])
    const elapsedMs = before === undefined ? 0 : Math.min(STEP_MS_MAX, nowMs - before.atMs)
    const log = nextLog(before?.log ?? 0, this.ratioToOthers(signals, others), elapsedMs)
    const factor = Math.max(FACTOR_MIN, Math.exp(log) * memoryFactor(load.memory))
    this.reports.set(worker, { signals, atMs: nowMs, log, factor })
    return factor
  }

  factorOf(worker: BalancedWorker): number {
    return this.reports.get(worker)?.factor ?? 1
  }

  remove(worker: BalancedWorker): void {
    const before = this.reports.get(worker)
    if (before === undefined) return
    this.reports.delete(worker)
    this.addToSums([], before.signals)
  }
  private addToSums(added: readonly number[], taken: readonly number[]): void {
    for (const [index, sum] of this.sums.entries())
      this.sums[index] = sum + (added[index] ?? 0) - (taken[index] ?? 0)
  }

  /** How loaded it is for what the mean of the others is: the worst signal, or all of them if none is bad. */
  private ratioToOthers(signals: readonly number[], others: number): number {
    if (others === 0) return 1
    let worst = 0
    let logs = 0
    let count = 0
    for (const [index, idleLevel] of IDLE_LEVELS.entries()) {
      const own = signals[index] ?? 0
      const mean = ((this.sums[index] ?? 0) - own) / others
      if (own <= idleLevel && mean <= idleLevel) continue
      const ratio = Math.max(own, idleLevel) / Math.max(mean, idleLevel)
      worst = Math.max(worst, ratio)
      logs += Math.log(ratio)
      count++
    }
    if (count === 0) return RATIO_IDLE
    return worst > RATIO_OVERLOADED ? worst : Math.exp(logs / count)
  }
}

function smoothed(signals: readonly number[], before: readonly number[] = signals): number[] {
  return signals.map(
    (signal, index) => REPORT_SHARE * signal + (1 - REPORT_SHARE) * (before[index] ?? signal),
  )
}

/** One step towards the target -POWER * ln(ratio). */
function nextLog(log: number, ratio: number, elapsedMs: number): number {
  const bounded = Math.min(RATIO_MAX, Math.max(1 / RATIO_MAX, ratio))
  const step = 1 - Math.exp(-elapsedMs / SMOOTHING_MS)
  const next = log + step * (-POWER * Math.log(bounded) - log)
  return Math.min(0, Math.max(Math.log(FACTOR_MIN), next))
}

function memoryFactor(memory: number): number {
  return Math.min(1, Math.max(FACTOR_MIN, (1 - memory) / (1 - MEMORY_SCARCE)))
}
