/** More processes, more work: tasks that wait on one to three workers, tasks that compute on one and two nodes. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, silentLogger } from '../../src/index.ts'
import { task } from '../../src/sdk/tasks/task.ts'
import { PostgresServer } from '../../test/postgres/server.ts'
import { markdownTable, type TableWorkload } from './table-workload.ts'

interface ScalingRow {
  readonly workload: 'scaling'
  readonly kind: 'waits' | 'computes'
  readonly processes: number
  readonly tasksPerSecond: number
  /** Compared with one process. */
  readonly ratio: number
}

const QUEUES = 32
const WARM_MS = 2000

const named = {
  waits: task({ name: 'waits', run: () => {} }),
  computes: task({ name: 'computes', run: () => true }),
}

async function start(
  role: string,
  target: string,
  name: string,
): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(join(import.meta.dirname, '../scaling-process.ts'), [role, target, name], {
    execArgv: ['--conditions=perdure-source'],
  })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  return { child, url }
}

/** Tasks that ended per second, while there is more to do than can be done. */
async function measure(
  server: PostgresServer,
  { kind, processes, measureMs }: { kind: 'waits' | 'computes'; processes: number; measureMs: number },
): Promise<number> {
  const { name: database, url: store } = await server.createDatabase()
  const children: ChildProcess[] = []
  try {
    const nodes =
      kind === 'waits'
        ? [await start('node', store, 'node-1')]
        : await Promise.all(
            Array.from({ length: processes }, (_, i) => start('computing-node', store, `node-${i + 1}`)),
          )
    children.push(...nodes.map(({ child }) => child))
    const urls = nodes.map(({ url }) => url)
    if (kind === 'waits')
      for (let i = 0; i < processes; i++) children.push((await start('worker', urls.join(), `w-${i}`)).child)
    await sleep(WARM_MS)
    const client = await connect(urls, { logger: silentLogger })
    const perSecond = kind === 'waits' ? 1300 * processes : 250 * processes
    const perQueue = Math.ceil((perSecond * (WARM_MS + measureMs) * 2) / 1000 / QUEUES)
    for (let queue = 0; queue < QUEUES; queue++)
      await client.enqueueMany(
        named[kind],
        Array.from({ length: perQueue }, () => undefined),
        { queue: `q-${queue}` },
      )
    await sleep(WARM_MS)
    const ended = async (): Promise<number> => {
      const [row] = await server.query(
        `select count(*)::int as n from perdure.task where status = 'completed'`,
        [],
        database,
      )
      return Number(row?.n)
    }
    const [before, beforeMs] = [await ended(), performance.now()]
    await sleep(measureMs)
    const [after, afterMs] = [await ended(), performance.now()]
    await client.close()
    return ((after - before) / (afterMs - beforeMs)) * 1000
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

export const scaling: TableWorkload<ScalingRow> = {
  name: 'scaling',
  about: 'tasks that wait for 50 ms on 1 to 3 workers, tasks that compute for 5 ms on 1 and 2 nodes',
  rows: async function* ({ progress, isQuick }) {
    const measureMs = isQuick ? 2000 : 10_000
    await using server = await PostgresServer.start({})
    for (const [kind, counts] of [
      ['waits', [1, 2, 3]],
      ['computes', [1, 2]],
    ] as const) {
      let one = 0
      for (const processes of counts) {
        const tasksPerSecond = await measure(server, { kind, processes, measureMs })
        if (processes === 1) one = tasksPerSecond
        progress(`${kind}, ${processes} processes: ${Math.round(tasksPerSecond)} tasks/s`)
        yield { workload: 'scaling', kind, processes, tasksPerSecond, ratio: tasksPerSecond / one }
      }
    }
  },
  tableOf: (rows) =>
    markdownTable(
      ['tasks', 'processes', 'tasks/s', 'of one process'],
      rows.map(({ kind, processes, tasksPerSecond, ratio }) => [
        kind === 'waits' ? 'wait 50 ms, on workers of 64 places' : 'compute 5 ms, on nodes',
        `${processes}`,
        tasksPerSecond.toFixed(0),
        `${ratio.toFixed(2)} x`,
      ]),
    ),
}
