/** What it costs to decide which worker gets a task, and which task is next. */
import { PICK_CASES, type PickCase, type PickCosts } from '../pick-cost.ts'
import { median } from '../result.ts'
import { markdownTable, numberText, type TableOptions, type TableWorkload } from './table-workload.ts'
import { taskAnswer } from './workload.ts'

interface PickRow {
  readonly workload: 'picks'
  readonly kind: string
  readonly name: string
  readonly sizes: readonly number[]
  readonly nanoseconds: PickCosts
}

export const picks: TableWorkload<PickRow> = {
  name: 'picks',
  about:
    'nanoseconds per decision of each load balancer (workers: a pick alone, and a turn of a full fleet: one task ends, the next is given) and of each policy (waiting tasks: one is added, the next is taken and ends)',
  rows: async function* (options) {
    for (const each of PICK_CASES) yield await measure(options, each)
  },
  tableOf: (rows) => {
    const kinds = [...new Set(rows.map(({ kind }) => kind))]
    return kinds.map((kind) => tableOfKind(rows.filter((row) => row.kind === kind))).join('\n\n')
  },
}

function tableOfKind(rows: readonly PickRow[]): string {
  const [first] = rows
  if (first === undefined) return ''
  const whats = Object.keys(first.nanoseconds)
  const head = whats.flatMap((what) => first.sizes.map((size) => `${what}, ${numberText(size)}`))
  const lines = rows.map(({ name, nanoseconds }) => [
    `\`${name}\``,
    ...whats.flatMap((what) => (nanoseconds[what] ?? []).map(numberText)),
  ])
  return markdownTable([`${first.kind}, ns`, ...head], lines)
}

async function measure(options: TableOptions, { kind, name, sizes, ...own }: PickCase): Promise<PickRow> {
  options.progress(`picks, ${kind} ${name}`)
  const rounds: PickCosts[] = []
  for (let round = 0; round < options.rounds; round++) {
    const loopMs = options.isQuick ? own.loopMs / 10 : own.loopMs
    rounds.push(await taskAnswer(options, 'pick-costs', { kind, name, sizes, loopMs }))
  }
  const nanoseconds = Object.keys(rounds[0] ?? {}).map((what) => [
    what,
    sizes.map((_, index) => Math.round(median(rounds.map((costs) => costs[what]?.[index] ?? Number.NaN)))),
  ])
  return { workload: 'picks', kind, name, sizes, nanoseconds: Object.fromEntries(nanoseconds) }
}
