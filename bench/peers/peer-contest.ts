/**
 * The rounds of the benchmark of the peers: in each round every side is measured once, beginning with another one each time,
 * so that none always follows the same and all see the same hours of the machine.
 */
import type { Extent } from '../meter.ts'
import { taskAnswer } from '../workloads/workload.ts'
import {
  type QueueRound,
  type QueueRow,
  queueRows,
  type WorkflowRound,
  type WorkflowRow,
  workflowRows,
} from './peer-rows.ts'
import type { PeerServers } from './peer-servers.ts'
import { QUEUE_SIDES, type SideName, type SideOrder, WORKFLOW_SIDES } from './peer-sides.ts'
import type { PeersCommandLine } from './peers-command-line.ts'

export interface Contest
  extends Pick<PeersCommandLine, 'steps' | 'rounds' | 'roundMs' | 'executions' | 'jobs'> {
  readonly sides: readonly SideName[]
  readonly servers: PeerServers
  readonly isInterrupted: () => boolean
  readonly progress: (text: string) => void
  /** A side that could not be measured; it is left out of the rest of this workload. */
  readonly failed: (side: SideName, reason: string) => void
}

/** Libraries that use what Node or `pg` has deprecated say so once for each process. */
const PROCESS = { nodeFlags: ['--disable-warning=DeprecationWarning'] } as const

export async function contestWorkflows(contest: Contest, inFlight: number): Promise<WorkflowRow[]> {
  const { executions, roundMs, steps } = contest
  const extent: Extent = executions === undefined ? { durationMs: roundMs } : { executions }
  const measured = await roundsOf(contest, {
    sides: WORKFLOW_SIDES,
    about: `workflows, ${inFlight} in flight`,
    measure: async (side, order): Promise<WorkflowRound> => {
      const task = { side, inFlight, steps, extent, ...order }
      const { executionsPerSecond, latencyMs } = await taskAnswer(PROCESS, 'peer-workflows', task)
      return { executionsPerSecond, latencyMs }
    },
    said: ({ executionsPerSecond }) => `${executionsPerSecond.toFixed(0)} executions/s`,
  })
  return workflowRows({ inFlight, steps }, measured)
}

export async function contestQueues(contest: Contest): Promise<QueueRow[]> {
  const { jobs } = contest
  const measured = await roundsOf(contest, {
    sides: QUEUE_SIDES,
    about: `queue, ${jobs} jobs`,
    measure: (side, order): Promise<QueueRound> =>
      taskAnswer(PROCESS, 'peer-queue', { side, jobs, ...order }),
    said: ({ enqueuePerSecond, drainPerSecond }) =>
      `${enqueuePerSecond.toFixed(0)} enqueued/s, ${drainPerSecond.toFixed(0)} drained/s`,
  })
  return queueRows(jobs, measured)
}

async function roundsOf<Name extends SideName, Round>(
  { sides, servers, rounds, isInterrupted, progress, failed }: Contest,
  workload: {
    readonly sides: readonly Name[]
    readonly about: string
    readonly measure: (side: Name, order: SideOrder) => Promise<Round>
    readonly said: (round: Round) => string
  },
): Promise<Map<Name, Round[]>> {
  const measured = new Map<Name, Round[]>()
  for (const side of workload.sides) if (sides.includes(side)) measured.set(side, [])
  for (let round = 0; round < rounds; round++) {
    for (const side of turnsOf([...measured.keys()], round)) {
      if (isInterrupted()) return new Map()
      try {
        const result = await servers.use(side, (order) => {
          // While its server was being started.
          if (isInterrupted()) throw new Error('interrupted')
          return workload.measure(side, order)
        })
        measured.get(side)?.push(result)
        progress(`${workload.about}, round ${round + 1} of ${rounds}: ${side}: ${workload.said(result)}`)
      } catch (error) {
        measured.delete(side)
        if (!isInterrupted()) failed(side, error instanceof Error ? error.message : String(error))
      }
    }
  }
  return measured
}

/** All of them, beginning with another one in each round. */
export function turnsOf<Name>(sides: readonly Name[], round: number): Name[] {
  const first = sides.length === 0 ? 0 : round % sides.length
  return [...sides.slice(first), ...sides.slice(0, first)]
}
