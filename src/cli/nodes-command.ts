/** `perdure nodes` and `perdure shards`: the cluster of an engine that runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeDescription } from '../protocol/nodes-port.ts'
import type { Client } from '../sdk/client.ts'
import { COMMON_OPTIONS, type Command, type CommandCall } from './command.ts'
import { printable } from './display-width.ts'
import { ENGINE_OPTIONS, engineOf } from './engine-choice.ts'
import { withEngine } from './engine-connection.ts'
import { type Cell, type Column, Table } from './table.ts'
import { UsageError } from './usage-error.ts'
import { WATCH_OPTION } from './watching.ts'

const POLL_MS = 300

export const nodesCommand: Command = {
  name: 'nodes',
  summary: 'Lists the nodes of a cluster; drains one.',
  operands: ['[ACTION]', '[NODE]'],
  words: ['list', 'drain'],
  options: {
    ...ENGINE_OPTIONS,
    'no-wait': { says: 'drain: do not wait until the node has nothing any more' },
    ...WATCH_OPTION,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure nodes --url ws://127.0.0.1:7233', says: 'who is there, who leads, who has how much' },
    { line: 'perdure nodes drain node-2 --url ws://127.0.0.1:7233', says: 'it hands over what it has' },
  ],
  run: runNodes,
}

export const shardsCommand: Command = {
  name: 'shards',
  summary: 'Lists the shards of a cluster, and their owners.',
  operands: [],
  options: { ...ENGINE_OPTIONS, ...WATCH_OPTION, ...COMMON_OPTIONS },
  examples: [
    { line: 'perdure shards --url ws://127.0.0.1:7233', says: 'which node owns what' },
    { line: 'perdure shards --json --url ws://127.0.0.1:7233', says: 'the same, one object per line' },
  ],
  run: runShards,
}

const NODE_COLUMNS: readonly Column[] = [
  { title: 'NODE', leastWidth: 8 },
  { title: 'SHARDS', align: 'right' },
  { title: 'STATE' },
  { title: 'ADDRESS', optional: 1 },
  { title: 'WEIGHT', align: 'right', optional: 3 },
  { title: 'SESSION', align: 'right', optional: 2 },
]
const SHARD_COLUMNS: readonly Column[] = [
  { title: 'SHARD', align: 'right' },
  { title: 'NODE', leastWidth: 8 },
  { title: 'EPOCH', align: 'right' },
]

async function runNodes(call: CommandCall): Promise<number> {
  const [action = 'list', node] = call.operands
  if (action === 'drain') return drain(call, node)
  if (action !== 'list' || node !== undefined)
    throw new UsageError(
      `nodes does not know '${[action, node].filter(Boolean).join(' ')}'`,
      'Actions: list, drain NODE.',
    )
  const nodes = await withEngine(call, engineOf(call), (engine) => engine.nodes.list())
  tell(call, NODE_COLUMNS, nodes, cellsOf)
  return 0
}

async function drain(call: CommandCall, node: string | undefined): Promise<number> {
  if (node === undefined)
    throw new UsageError('which node is to be drained was not said', 'See perdure nodes.')
  const engine = engineOf(call)
  await withEngine(call, engine, ({ nodes }) => nodes.drain(node))
  if (call.options.flag('no-wait')) return 0
  let told = -1
  for (;;) {
    const left = await withEngine(call, engine, async ({ nodes }: Client) =>
      (await nodes.list()).reduce((sum, each) => sum + (each.node === node ? each.shards : 0), 0),
    )
    if (left === 0) break
    if (left !== told) call.output.note(`${printable(node)} has ${left} shards left`)
    told = left
    await sleep(POLL_MS)
  }
  call.output.line(`${printable(node)} has nothing any more: it can be ended`)
  return 0
}

async function runShards(call: CommandCall): Promise<number> {
  const shards = await withEngine(call, engineOf(call), (engine) => engine.nodes.shards())
  tell(call, SHARD_COLUMNS, shards, ({ shard, node, epoch }) => [
    String(shard),
    node === undefined ? { text: 'nobody', style: 'yellow' } : printable(node),
    String(epoch),
  ])
  return 0
}

function tell<T extends object>(
  { options, output }: CommandCall,
  columns: readonly Column[],
  items: readonly T[],
  cells: (item: T) => Cell[],
): void {
  if (options.flag('json')) {
    for (const item of items) output.line(JSON.stringify(item))
    return
  }
  const rows = items.map(cells)
  const table = new Table(columns, rows, output)
  output.line(table.header())
  for (const row of rows) output.line(table.row(row))
}

function cellsOf({ node, shards, isLeader, isDraining, address, weight, session }: NodeDescription): Cell[] {
  const state = [isLeader ? 'leads' : '', isDraining ? 'drains' : ''].filter((each) => each !== '').join(', ')
  return [
    printable(node),
    String(shards),
    isDraining ? { text: state, style: 'yellow' } : state,
    printable(address ?? ''),
    String(weight),
    String(session),
  ]
}
