/** How long executions pause when their node is killed, or leaves: three nodes over PostgreSQL. */
import { PostgresServer } from '../../test/postgres/server.ts'
import { type Departure, runFailover } from '../failover-run.ts'
import { markdownTable, type TableWorkload } from './table-workload.ts'

interface FailoverRow {
  readonly workload: 'failover'
  readonly kind: Departure
  readonly times: number
  readonly inFlight: number
  readonly affected: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly mostMs: number
  readonly errors: number
  readonly lost: number
  readonly executions: number
}

const KINDS: readonly Departure[] = ['kill', 'leave']

export const failover: TableWorkload<FailoverRow> = {
  name: 'failover',
  about: 'a node of three is killed, or leaves, with 1,000 executions in flight: how long they pause',
  rows: async function* ({ progress, isQuick, inFlight = 1000, executions }) {
    const times = executions ?? (isQuick ? 2 : 10)
    await using server = await PostgresServer.start({})
    for (const kind of KINDS) {
      const { pausesMs, ...rest } = await runFailover(server, { kind, times, inFlight, progress })
      const sorted = pausesMs.toSorted((a, b) => a - b)
      const at = (share: number): number =>
        sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
      const pauses = { p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1) }
      const { errors, lost, executions: run } = rest
      yield {
        ...{ workload: 'failover', kind, times, inFlight, affected: sorted.length },
        ...pauses,
        ...{ errors, lost, executions: run },
      }
    }
  },
  tableOf: (rows) =>
    markdownTable(
      [
        '',
        'times',
        'in flight',
        'paused executions',
        'p50 ms',
        'p99 ms',
        'longest ms',
        'failed calls',
        'lost',
      ],
      rows.map(({ kind, times, inFlight, affected, p50Ms, p99Ms, mostMs, errors, lost, executions }) => [
        kind === 'kill' ? 'killed' : 'leaves',
        `${times}`,
        `${inFlight}`,
        `${affected}`,
        `${p50Ms}`,
        `${p99Ms}`,
        `${mostMs}`,
        `${errors}`,
        `${lost} of ${executions}`,
      ]),
    ),
}
