/** `perdure workers`: who is connected to an engine that runs. */
import type { WorkerDescription } from '../protocol/workers-port.ts'
import { COMMON_OPTIONS, type Command, type CommandCall } from './command.ts'
import { printable } from './display-width.ts'
import { ENGINE_OPTIONS, engineOf } from './engine-choice.ts'
import { withEngine } from './engine-connection.ts'
import { type Cell, type Column, Table } from './table.ts'
import { WATCH_OPTION } from './watching.ts'

export const workersCommand: Command = {
  name: 'workers',
  summary: 'Lists the workers of an engine that runs and listens.',
  operands: [],
  options: {
    ...ENGINE_OPTIONS,
    namespace: { value: 'NAME', says: 'those that serve it; default `default`' },
    ...WATCH_OPTION,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure workers --url ws://127.0.0.1:7233', says: 'who is connected, and what each has' },
    { line: 'perdure workers --json --url ws://127.0.0.1:7233', says: 'all that the engine knows of them' },
  ],
  run: runWorkers,
}

const COLUMNS: readonly Column[] = [
  { title: 'WORKER', leastWidth: 8 },
  { title: 'TASKS', align: 'right' },
  { title: 'EXECUTIONS', align: 'right' },
  { title: 'CPU', align: 'right' },
  { title: 'STATE' },
  { title: 'BUILD', optional: 3 },
  { title: 'ZONE', optional: 2 },
  { title: 'NODES', optional: 4 },
  { title: 'ADDRESS', optional: 1 },
]

async function runWorkers(call: CommandCall): Promise<number> {
  const { options, output } = call
  const workers = await withEngine(call, engineOf(call), (engine) => engine.workers())
  if (options.flag('json')) {
    for (const worker of workers) output.line(JSON.stringify(worker))
    return 0
  }
  const cells = workers.map(cellsOf)
  const table = new Table(COLUMNS, cells, output)
  output.line(table.header())
  for (const row of cells) output.line(table.row(row))
  return 0
}

function cellsOf(worker: WorkerDescription): Cell[] {
  const { id, isLocal, running, credits, executions, load } = worker
  const { build = '', zone = '', address = '', nodes = [] } = worker
  return [
    printable(isLocal ? `${id} (the engine)` : id),
    `${running}/${credits}`,
    String(executions),
    load === undefined ? '' : `${Math.round(load.cpu * 100)} %`,
    stateOf(worker),
    printable(build),
    printable(zone),
    printable(nodes.join(' ')),
    address,
  ]
}

function stateOf({ isLeaving, ejectedFrom }: WorkerDescription): Cell {
  if (isLeaving) return { text: 'leaves', style: 'yellow' }
  if (ejectedFrom.length === 0) return ''
  return { text: printable(`ejected from ${ejectedFrom.join(', ')}`), style: 'yellow' }
}
