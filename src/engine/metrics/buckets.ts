/** Buckets of histograms, in base units: fine where answers are fast, and up to what can still be waited for. */

/** Of steps, tasks and what waits for them: half a millisecond to a day. */
export const WORK_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200,
  86_400,
] as const

/** Of executions: a millisecond to a month. */
export const EXECUTION_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400,
  604_800, 2_592_000,
] as const

/** Of what should take milliseconds: commits, timers. */
export const LATENCY_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const

export const COMMIT_ROWS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000] as const
export const COMMIT_BYTES = [
  256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 8_388_608, 33_554_432,
] as const
