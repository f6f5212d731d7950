/** What it costs to decide which worker gets a task. */
import { PICK_CASES, type PickCosts } from '../pick-cost.ts'
import { median } from '../result.ts'
import { markdownTable, numberText, type TableOptions, type TableWorkload } from './table-workload.ts'
import { taskAnswer } from './workload.ts'

const SIZES = [4, 64, 1024] as const
const LOOP_MS = 200

interface PickRow {
  readonly workload: 'picks'
  readonly kind: string
  readonly name: string
  readonly sizes: readonly number[]
  readonly nanoseconds: PickCosts
}

export const picks: TableWorkload<PickRow> = {
  name: 'picks',
  about: `nanoseconds per decision of each load balancer with ${SIZES.join(', ')} workers: a pick alone, and a turn (one task ends, the next is given) of a full fleet`,
  rows: async function* (options) {
    for (const { kind, name } of PICK_CASES) yield await measure(options, kind, name)
  },
  tableOf: (rows) => {
    const [first] = rows
    if (first === undefined) return ''
    const whats = Object.keys(first.nanoseconds)
    const head = whats.flatMap((what) => first.sizes.map((size) => `${what}, ${numberText(size)}`))
    const lines = rows.map(({ name, nanoseconds }) => [
      `\`${name}\``,
      ...whats.flatMap((what) => (nanoseconds[what] ?? []).map(numberText)),
    ])
    return markdownTable([`${first.kind}, ns`, ...head], lines)
  },
}

async function measure(options: TableOptions, kind: string, name: string): Promise<PickRow> {
  options.progress(`picks, ${kind} ${name}`)
  const rounds: PickCosts[] = []
  for (let round = 0; round < options.rounds; round++) {
    const loopMs = options.isQuick ? LOOP_MS / 10 : LOOP_MS
    rounds.push(await taskAnswer(options, 'pick-costs', { kind, name, sizes: SIZES, loopMs }))
  }
  const nanoseconds = Object.keys(rounds[0] ?? {}).map((what) => [
    what,
    SIZES.map((_, index) => Math.round(median(rounds.map((costs) => costs[what]?.[index] ?? Number.NaN)))),
  ])
  return { workload: 'picks', kind, name, sizes: SIZES, nanoseconds: Object.fromEntries(nanoseconds) }
}
