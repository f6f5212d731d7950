/**
 * Time slices of `round-robin` on worker processes over the worker protocol, in real time: tasks of 5 s and of 50 ms under
 * two keys, a quantum of 100 ms, and how far the shares of service are from the weights. Tasks wait, they do not compute, so
 * that the number of cores does not matter.
 */
import { runSlices, type SlicesOrder } from '../slices-run.ts'
import { markdownTable, type TableWorkload } from './table-workload.ts'

interface SlicesRow {
  readonly workload: 'slices'
  readonly workers: number
  readonly weights: string
  /** Of the long tasks: of all service, and by the weights. */
  readonly share: number
  readonly expected: number
  /** The larger of the two distances, relative to the share that the weights give. */
  readonly off: number
  readonly shortPerSecond: number
}

const WEIGHTS: readonly SlicesOrder['weights'][] = [
  { long: 1, short: 1 },
  { long: 3, short: 1 },
  { long: 1, short: 3 },
]
const WORKERS = [1, 4]

export const slices: TableWorkload<SlicesRow> = {
  name: 'slices',
  about: 'time slices of 100 ms on worker processes, tasks of 5 s beside tasks of 50 ms: shares of service',
  rows: async function* ({ progress, isQuick }) {
    const durationMs = isQuick ? 4000 : 20_000
    for (const workers of WORKERS)
      for (const weights of WEIGHTS) {
        progress(`slices, ${workers} worker processes, weights ${weights.long}:${weights.short}`)
        const { served, shortTasks } = await runSlices({ weights, workers, durationMs })
        const share = served.long / (served.long + served.short)
        const expected = weights.long / (weights.long + weights.short)
        yield {
          workload: 'slices',
          workers,
          weights: `${weights.long}:${weights.short}`,
          share,
          expected,
          off: Math.abs(share - expected) / Math.min(expected, 1 - expected),
          shortPerSecond: shortTasks / (durationMs / 1000),
        }
      }
  },
  tableOf: (rows) =>
    markdownTable(
      [
        'weights, long:short',
        'worker processes',
        'share of long tasks',
        'by weights',
        'off by',
        'short tasks/s',
      ],
      rows.map(({ weights, workers, share, expected, off, shortPerSecond }) => [
        weights,
        `${workers}`,
        share.toFixed(3),
        expected.toFixed(3),
        `${(off * 100).toFixed(1)} %`,
        shortPerSecond.toFixed(0),
      ]),
    ),
}
