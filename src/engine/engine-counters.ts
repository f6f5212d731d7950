/** What an engine has done since its start: for benchmarks and tests. */
export interface EngineCounters {
  commits: number
  rows: number
  unknownCommits: number
  unknownSettledIn: number
  unknownSettledOut: number
  /** Sessions that this engine had, and that others have fenced. */
  fenced: number
  /** Batches that the guard has kept out: their session was fenced by then. */
  fencedBatches: number
  refused: number
  stepsStarted: number
}

export function noCounts(): EngineCounters {
  return {
    commits: 0,
    rows: 0,
    unknownCommits: 0,
    unknownSettledIn: 0,
    unknownSettledOut: 0,
    fenced: 0,
    fencedBatches: 0,
    refused: 0,
    stepsStarted: 0,
  }
}
