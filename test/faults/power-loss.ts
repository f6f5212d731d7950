/** Runs the mixed workload through power cuts: what was not synced is dropped, torn, or kept, as chance has it. */
import { type Randomness, seededRandomness } from '../../src/platform/randomness.ts'
import { type CrashResult, crashRun } from './crash-run.ts'
import { shimLibrary } from './fault-shim.ts'
import { type CutCounters, PowerCuts } from './power-cut.ts'

export interface PowerLossOptions {
  readonly seed: number
  readonly cuts: number
  readonly synchronous?: 'full' | 'normal'
  /** The disk says that it synced and did not. */
  readonly isLyingDisk?: boolean
  readonly onProgress?: (cuts: number) => void
}

export interface PowerLossResult extends CrashResult {
  readonly counters: CutCounters
}

/** The power goes at the n-th operation on the files; a life of fewer operations loses it after this time. */
const LIFE_MS = 300
const OPERATIONS = 260
/** The log is copied into the file when the engine is closed. */
const CLOSING_SHARE = 0.3
/** A share of the lives ends in the middle of that, if it gets so far. */
const CHECKPOINT_SHARE = 0.7
const CHECKPOINT_OPERATIONS = 150

export async function powerLossRun(options: PowerLossOptions): Promise<PowerLossResult> {
  const { seed, cuts, synchronous = 'full', onProgress } = options
  const disk = new PowerCuts({ ignoresSyncs: options.isLyingDisk === true })
  const random = seededRandomness(seed + 1)
  const result = await crashRun({
    seed,
    crashes: cuts,
    inFlight: 12,
    synchronous,
    disk,
    endsItselfWithinMs: LIFE_MS,
    closingShare: CLOSING_SHARE,
    environment: (file, life) => ({
      LD_PRELOAD: shimLibrary(),
      PERDURE_SHIM_FILE: file,
      PERDURE_SHIM_LOG: disk.logOf(file),
      // The first life makes the file, the last one finishes.
      ...(life === 0 || life === cuts ? {} : instant(random)),
    }),
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  return { ...result, counters: disk.counters }
}

function instant(random: Randomness): NodeJS.ProcessEnv {
  return {
    PERDURE_SHIM_KILL_AT: String(1 + Math.floor(random() ** 2 * OPERATIONS)),
    ...(random() < CHECKPOINT_SHARE
      ? { PERDURE_SHIM_KILL_AT_MAIN: String(1 + Math.floor(random() * CHECKPOINT_OPERATIONS)) }
      : {}),
  }
}
