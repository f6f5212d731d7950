/** Results as a table for people. */
import type { BenchResult } from './result.ts'

const number = (value: number): string =>
  value.toLocaleString('en', value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })

export function tableOf(results: readonly BenchResult[]): string {
  const head = [
    'workload',
    'store',
    'in flight',
    '',
    'executions/s',
    'steps/s',
    'p50 ms',
    'p99 ms',
    'RSS MiB',
  ]
  const rows = [[...head, 'commits', 'rows', 'fsyncs', 'ratio', 'target', 'met']]
  for (const result of results) rows.push(...rowsOf(result))
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  const figures = results.flatMap(figuresOf)
  return [...lines, '', 'commits, rows and fsyncs are those of one execution', ...figures].join('\n')
}

function isText(column: number): boolean {
  return column < 2 || column === 3 || column > 12
}

function rowsOf(result: BenchResult): string[][] {
  const { workload, store, inFlight, bare, perExecution, target, met } = result
  const cells = (
    side: BenchResult | BenchResult['bare'],
    counts: BenchResult['perExecution']['engine'],
  ): string[] => [
    number(side.executionsPerSecond),
    number(side.stepsPerSecond),
    number(side.latencyMs.p50),
    number(side.latencyMs.p99),
    'rssMiB' in side ? number(side.rssMiB) : '',
    number(counts.commits),
    number(counts.rows),
    Number.isNaN(counts.fsyncs) ? '' : number(counts.fsyncs),
  ]
  const verdict = met === null ? '' : met ? 'yes' : 'NO'
  return [
    [
      workload,
      store,
      number(inFlight),
      'engine',
      ...cells(result, perExecution.engine),
      number(result.ratio),
      target ?? '',
      verdict,
    ],
    ['', '', '', 'bare', ...cells(bare, perExecution.bare), '', '', ''],
  ]
}

/** What only this workload has. */
function figuresOf({ workload, store, figures = {} }: BenchResult): string[] {
  return Object.entries(figures).map(
    ([name, value]) => `${workload}, ${store}: ${name} ${JSON.stringify(value)}`,
  )
}
