/** Two nodes and their callers over a Patroni cluster whose primary is lost again and again; then everything is checked. */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, silentLogger } from '../../src/index.ts'
import { NodeProcess } from '../postgres/cluster-nodes.ts'
import { AcknowledgedWork } from './acknowledged-work.ts'
import { type Checked, checkAcknowledged } from './acknowledgement-check.ts'
import { FAIL_OVERS, type FailOver, provoke } from './fail-overs.ts'
import { PatroniCluster } from './patroni-cluster.ts'
import type { PatroniPrograms } from './patroni-programs.ts'

export interface PatroniRunOptions {
  readonly programs: PatroniPrograms
  /** One after the other, from the start again until the time is over; each at least once. Default: all. */
  readonly kinds?: readonly FailOver[]
  /** Default 0: each once. */
  readonly minutes?: number
  /** Default 40. */
  readonly callers?: number
  readonly say?: (line: string) => void
  /** With everything ended, and the primary still there. */
  readonly onChecked?: (cluster: PatroniCluster, work: AcknowledgedWork) => Promise<void>
}

export interface DoneFailOver {
  readonly kind: FailOver
  /** The longest time without an answer of each caller, ms. */
  readonly pausesMs: readonly number[]
}

export interface PatroniRun {
  readonly failOvers: readonly DoneFailOver[]
  readonly acknowledgements: number
  readonly executions: number
  readonly checked: Checked
  /** What went wrong; nothing if all is well. */
  readonly faults: readonly string[]
  readonly unknownCommitsSettled: number
  readonly askedAgain: ReadonlyMap<string, number>
}

const DATABASE = 'orders'
/** Work between two fail-overs, all servers healthy. */
const CALM_MS = 3000
/** Callers go on so long after a new primary is there, or it is a fault. */
const GO_ON_LIMIT_MS = 60_000

export async function patroniRun(options: PatroniRunOptions): Promise<PatroniRun> {
  const { programs, callers = 40, say = () => undefined } = options
  await using cluster = await PatroniCluster.start({ programs })
  say(`PostgreSQL is run by Patroni: ${cluster.members.map(({ name }) => name).join(', ')}`)
  const nodes: NodeProcess[] = []
  try {
    const url = await cluster.createDatabase(DATABASE)
    for (const name of ['node-1', 'node-2']) nodes.push(await NodeProcess.start(url, name))
    const client = await connect(
      nodes.map((node) => node.url),
      { logger: silentLogger },
    )
    const work = new AcknowledgedWork(client, callers)
    try {
      work.begin()
      const { failOvers, faults } = await provokeAll(cluster, work, options)
      await work.end()
      const counters = await Promise.all(nodes.map(async (node) => (await node.counters()).counters))
      for (const node of nodes) if (node.hasEnded) faults.push(`${node.name} has ended: ${node.exitCode}`)
      say(`${work.acknowledgements} acknowledgements are held against the database`)
      const checked = await checkAcknowledged(
        (sql, values) => cluster.query(DATABASE, sql, values),
        work.started,
      )
      await options.onChecked?.(cluster, work)
      const wrong = [...faults, ...work.errors, ...checked.faults]
      if (wrong.length > 0) say(`logs of Patroni and PostgreSQL: ${cluster.keepLogs()}`)
      return {
        failOvers,
        acknowledgements: work.acknowledgements,
        executions: work.started.size,
        checked,
        faults: wrong,
        unknownCommitsSettled: counters.reduce(
          (sum, { unknownSettledIn, unknownSettledOut }) => sum + unknownSettledIn + unknownSettledOut,
          0,
        ),
        askedAgain: work.askedAgain,
      }
    } finally {
      await client.close()
    }
  } finally {
    await Promise.all(nodes.map((node) => node.kill()))
  }
}

async function provokeAll(
  cluster: PatroniCluster,
  work: AcknowledgedWork,
  { kinds = FAIL_OVERS, minutes = 0, say = () => undefined }: PatroniRunOptions,
): Promise<{ readonly failOvers: DoneFailOver[]; readonly faults: string[] }> {
  const endMs = performance.now() + minutes * 60_000
  const failOvers: DoneFailOver[] = []
  const faults: string[] = []
  for (let i = 0; i < kinds.length || performance.now() < endMs; i++) {
    const kind = kinds[i % kinds.length]
    if (kind === undefined || work.errors.length > 0) break
    const roles = await cluster.whenHealthy()
    await sleep(CALM_MS)
    work.watch()
    const beganMs = performance.now()
    const mend = await provoke(kind, cluster, roles)
    const leader = await cluster.whenFailedOver(roles.timeline)
    const leads = performance.now()
    if (!(await work.everyCallerSince(leads, GO_ON_LIMIT_MS)))
      faults.push(`${kind}: callers wait more than ${GO_ON_LIMIT_MS / 1000} s after ${leader} has taken over`)
    const pausesMs = work.pausesMs()
    await mend()
    failOvers.push({ kind, pausesMs })
    const longest = Math.max(...pausesMs)
    say(
      `${i + 1}. ${kind}: ${roles.leader} to ${leader} in ${seconds(leads - beganMs)} s, ` +
        `callers waited up to ${seconds(longest)} s; ${work.acknowledgements} acknowledgements`,
    )
  }
  await cluster.whenHealthy()
  await sleep(CALM_MS)
  return { failOvers, faults }
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1)
}
