// `npm run soak -- cluster`: nodes, clients, a database with a standby, and everything that can fail, for as long as wanted.

import { parseArgs } from 'node:util'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { type FaultRecord, reportOf, runStep, type Step, textOf } from '../cluster-faults/fault-run.ts'
import {
  DATABASE_FAULTS,
  DISK_FAULTS,
  type FaultOf,
  NODE_FAULTS,
  type Random,
  STANDBY_FAULTS,
} from '../cluster-faults/faults.ts'
import { FaultyCluster } from '../cluster-faults/faulty-cluster.ts'
import { TestNetwork } from '../cluster-faults/test-network.ts'
import { shimObstacle } from '../store/disk-shim.ts'

const HELP = `npm run soak -- cluster [--minutes N] [--nodes N] [--seed S]

  --minutes N  how long faults are injected (default 10); no kind twice before each of the others
  --nodes N    node processes (default 4, at least 3)
  --seed S     seed of all choices (default: from the clock). It repeats the choices, not their exact effect
  --help       this text

Two client processes with 10 executions each at a time; a PostgreSQL primary with a synchronous standby. Needs Linux with gcc.
Exit code 0: nothing acknowledged was lost, all work has ended, once. 1: it says what was wrong. 2: wrong usage.
`

/** Beside another fault, on other nodes: those that are over soon and need nothing of the database. */
const BESIDE = ['node killed', 'two nodes cut from each other', 'slow network to database'] as const
const BESIDE_SHARE = 0.25

interface Settings {
  readonly minutes: number
  readonly nodes: number
  readonly seed: number
}

function settings(args: readonly string[]): Settings | 'help' {
  const text = { type: 'string' } as const
  const options = { minutes: text, nodes: text, seed: text, help: { type: 'boolean' } } as const
  const { values } = parseArgs({ args: [...args], options })
  if (values.help === true) return 'help'
  return {
    minutes: number(values.minutes ?? '10', '--minutes', 0.1),
    nodes: Math.floor(number(values.nodes ?? '4', '--nodes', 3)),
    seed: Math.floor(number(values.seed ?? String(Date.now() % 1_000_000), '--seed', 0)),
  }
}

function number(text: string, option: string, least: number): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < least)
    throw new TypeError(`${option} is '${text}', not a number of ${least} or more`)
  return value
}

/** All kinds in random order, then all again. */
function* steps(random: Random): Generator<Step> {
  const all: Readonly<Record<string, FaultOf>> = {
    ...NODE_FAULTS,
    ...DATABASE_FAULTS,
    ...STANDBY_FAULTS,
    ...DISK_FAULTS,
  }
  for (;;) {
    const left = Object.entries(all)
    while (left.length > 0) {
      const [[kind, fault] = ['', undefined]] = left.splice(Math.floor(random() * left.length), 1)
      if (fault === undefined) return
      const other = random() < BESIDE_SHARE ? BESIDE[Math.floor(random() * BESIDE.length)] : undefined
      yield {
        kind,
        fault,
        beside: other === undefined ? undefined : { kind: other, fault: NODE_FAULTS[other] },
      }
    }
  }
}

async function inject(cluster: FaultyCluster, { minutes, seed }: Settings): Promise<FaultRecord[]> {
  const random = seededRandomness(seed)
  const records: FaultRecord[] = []
  const startedAtMs = performance.now()
  for (const step of steps(random)) {
    const passedMin = (performance.now() - startedAtMs) / 60_000
    if (passedMin >= minutes) break
    records.push(...(await runStep(cluster, step, random)))
    const acknowledgements = cluster.logs().reduce((sum, log) => sum + log.length, 0)
    const kinds = [step.kind, ...(step.beside === undefined ? [] : [step.beside.kind])].join(', ')
    console.error(
      `${passedMin.toFixed(1)} of ${minutes} min: ${records.length} faults, ${acknowledgements} acknowledgements (${kinds})`,
    )
  }
  return records
}

async function soak(chosen: Settings): Promise<number> {
  const obstacle = TestNetwork.isMany ? shimObstacle() : 'loopback has one address here'
  if (obstacle !== undefined) throw new Error(`the cluster cannot be soaked here: ${obstacle}`)
  console.log(`soak of a cluster: ${chosen.nodes} nodes, ${chosen.minutes} min, seed ${chosen.seed}`)
  await using cluster = await FaultyCluster.start({
    nodes: Array.from({ length: chosen.nodes }, (_, i) => `node-${i}`),
    clients: 2,
    lanes: 10,
    pauseMs: 20,
    hasStandby: true,
    hasDiskShim: true,
  })
  const records = await inject(cluster, chosen)
  const verdict = await cluster.finish()
  const counts = cluster.counts()
  console.log(textOf(reportOf(records, cluster.logs(), verdict, counts)))
  const unsettled = counts.unknownCommits - counts.unknownSettledIn - counts.unknownSettledOut
  if (unsettled > 0) console.log(`${unsettled} unknown commits were not settled by the end of their process`)
  for (const fault of verdict.faults) console.error(`seed ${chosen.seed}: ${fault}`)
  return verdict.faults.length
}

export async function soakCluster(args: readonly string[]): Promise<void> {
  let chosen: Settings | 'help'
  try {
    chosen = settings(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`)
    process.exitCode = 2
    return
  }
  if (chosen === 'help') console.log(HELP)
  else if ((await soak(chosen)) > 0) process.exitCode = 1
}
