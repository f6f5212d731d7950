/** SIGKILL with executions in flight: seconds from the start of the next process until all have finished. */
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { storeFile } from '../lanes.ts'
import type { LoopMeasures } from '../meter.ts'
import { checkRecovery, type KilledState, readKilledState } from '../recovery-check.ts'
import { openIdsFile } from '../recovery-run.ts'
import { type BenchResult, median, type Round, resultOf, rounded } from '../result.ts'
import { startTask } from '../task-process.ts'
import { type BenchOptions, inDirectory, type Workload } from './workload.ts'

const IN_FLIGHT = 1000
const RECOVERY_SECONDS_MAX = 1

export const recovery: Workload = {
  name: 'recovery',
  about: `SIGKILL with ${IN_FLIGHT} executions of three 50 ms steps in flight; latency is from the start of the next process to the end of an execution`,
  stores: ['sqlite'],
  defaultStores: ['sqlite'],
  run: async function* (options) {
    yield await measureRecovery(options)
  },
}

interface RecoveryRound extends Round {
  readonly openAtKill: number
  readonly recoverySeconds: number
  readonly bareRecoverySeconds: number
  readonly rerunRecordedSteps: number
  readonly lost: number
}

async function measureRecovery(options: BenchOptions): Promise<BenchResult> {
  const inFlight = options.inFlight ?? options.executions ?? (options.isQuick ? IN_FLIGHT / 10 : IN_FLIGHT)
  const rounds: RecoveryRound[] = []
  for (let round = 1; round <= options.rounds; round++) {
    options.progress(`recovery, ${inFlight} in flight, round ${round} of ${options.rounds}`)
    rounds.push(await inDirectory(options.directory, (parent) => recoveryRound(options, parent, inFlight)))
  }
  const middle = (figure: (round: RecoveryRound) => number): number => rounded(median(rounds.map(figure)))
  const sum = (figure: (round: RecoveryRound) => number): number =>
    rounds.reduce((total, round) => total + figure(round), 0)
  const figures = {
    openAtKill: middle((each) => each.openAtKill),
    recoverySeconds: middle((each) => each.recoverySeconds),
    bareRecoverySeconds: middle((each) => each.bareRecoverySeconds),
    rerunRecordedSteps: sum((each) => each.rerunRecordedSteps),
    lost: sum((each) => each.lost),
  }
  const isWhole = figures.rerunRecordedSteps === 0 && figures.lost === 0
  return {
    ...resultOf({ workload: 'recovery', store: 'sqlite', inFlight }, rounds),
    figures,
    target: `all finished <= ${RECOVERY_SECONDS_MAX} s after process start, no recorded step runs again`,
    met: figures.recoverySeconds <= RECOVERY_SECONDS_MAX && isWhole,
  }
}

async function recoveryRound(
  options: BenchOptions,
  parent: string,
  inFlight: number,
): Promise<RecoveryRound> {
  const directory = join(parent, 'engine')
  const copy = join(parent, 'bare')
  for (const path of [directory, copy]) mkdirSync(path)
  const killed = startTask(options.nodeFlags, 'work-until-killed', { directory, inFlight })
  await killed.said('busy')
  await killed.kill()
  const state = readKilledState(directory)
  writeFileSync(openIdsFile(directory), JSON.stringify(state.openIds))
  // Without its index: SQLite makes it anew, as it has to after the kill.
  for (const suffix of ['', '-wal'].filter((end) => existsSync(storeFile(directory) + end)))
    cpSync(storeFile(directory) + suffix, storeFile(copy) + suffix)
  const engine = await finish(options, 'finish-on-engine', directory, state)
  const bare = await finish(options, 'finish-bare', copy, state)
  return {
    engine: engine.measures,
    bare: bare.measures,
    openAtKill: state.openIds.length,
    recoverySeconds: engine.seconds,
    bareRecoverySeconds: bare.seconds,
    ...checkRecovery(directory, state),
  }
}

async function finish(
  options: BenchOptions,
  name: 'finish-on-engine' | 'finish-bare',
  directory: string,
  state: KilledState,
): Promise<{ readonly seconds: number; readonly measures: LoopMeasures }> {
  const task = startTask(options.nodeFlags, name, { directory, inFlight: state.openIds.length })
  await task.said('finished')
  const seconds = (performance.now() - task.startedAtMs) / 1000
  const measures = await task.answer()
  return {
    seconds,
    measures: {
      ...measures,
      executionsPerSecond: state.openIds.length / seconds,
      stepsPerSecond: state.stepsLeft / seconds,
    },
  }
}
