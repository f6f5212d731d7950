/**
 * Three nodes with executions in flight; again and again one is killed, or asked to leave, and started again. How long an
 * execution paused is read from its journal: the longest time between two of its events around that moment, less what is
 * usual.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type RemoteClient, silentLogger } from '../src/index.ts'
import type { PostgresServer } from '../test/postgres/server.ts'
import { TICK_MS, ticking } from './failover-workflow.ts'
import { median } from './result.ts'

export type Departure = 'kill' | 'leave'

export interface FailoverOrder {
  readonly kind: Departure
  readonly times: number
  readonly inFlight: number
  readonly progress: (text: string) => void
}

export interface FailoverMeasures {
  /** Of executions that the node had, ms, all departures together. */
  readonly pausesMs: readonly number[]
  /** Errors that callers got. */
  readonly errors: number
  readonly calls: number
  /** Executions that never ended, or that failed. */
  readonly lost: number
  readonly executions: number
}

const TICKS = 60
/** What is looked at around a departure. */
const BEFORE_MS = 2000
const AFTER_MS = 6000

interface NodeProcess {
  readonly name: string
  readonly url: string
  readonly child: ChildProcess
}

async function startNode(store: string, name: string): Promise<NodeProcess> {
  const child = fork(join(import.meta.dirname, 'failover-node.ts'), [store, name], {
    execArgv: ['--conditions=perdure-source'],
  })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  return { name, url, child }
}

export async function runFailover(server: PostgresServer, order: FailoverOrder): Promise<FailoverMeasures> {
  const { kind, times, inFlight, progress } = order
  const { name: database, url: store } = await server.createDatabase()
  const nodes = await Promise.all(['a', 'b', 'c'].map((name) => startNode(store, name)))
  const client = await connect(
    nodes.map(({ url }) => url),
    { logger: silentLogger },
  )
  const load = new Load(client, inFlight)
  const pausesMs: number[] = []
  try {
    await sleep(4000)
    for (let i = 0; i < times; i++) {
      const index = i % nodes.length
      const node = nodes[index]
      if (node === undefined) throw new Error('there are three nodes')
      const owned = await shardsOf(server, database, node.name)
      const atMs = Date.now()
      await depart(node, kind)
      await sleep(AFTER_MS)
      const pauses = await pausesOf(server, database, { owned, atMs })
      pausesMs.push(...pauses)
      progress(
        `${kind} ${i + 1} of ${times}: ${pauses.length} executions paused for ${Math.round(median(pauses))} ms`,
      )
      nodes[index] = await startNode(store, node.name)
      await settled(server, database)
    }
    await load.end()
  } finally {
    load.stop()
    await client.close()
    for (const { child } of nodes) child.kill('SIGKILL')
  }
  const { errors, calls, lost, executions } = load
  return { pausesMs, errors, calls, lost, executions }
}

async function depart({ child }: NodeProcess, kind: Departure): Promise<void> {
  const ended = once(child, 'exit')
  if (kind === 'kill') child.kill('SIGKILL')
  else child.send('leave')
  await ended
}

/** So many executions at a time, one after the other, and a call beside each. */
class Load {
  readonly #client: RemoteClient
  readonly #loops: Promise<void>[]
  #isOver = false
  errors = 0
  calls = 0
  lost = 0
  executions = 0

  constructor(client: RemoteClient, inFlight: number) {
    this.#client = client
    this.#loops = Array.from({ length: inFlight }, (_, loop) => this.#loop(loop))
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
  }

  stop(): void {
    this.#isOver = true
  }

  async #loop(loop: number): Promise<void> {
    // Not all at the same moment.
    await sleep((loop * 7919) % 2000)
    for (let i = 0; !this.#isOver; i++) {
      const id = `tick-${loop}-${i}`
      try {
        this.calls += 1
        const execution = await this.#again(() => this.#client.start(ticking, TICKS, { id }))
        this.executions += 1
        await execution.result()
      } catch (error) {
        this.lost += 1
        console.error(id, error)
      }
    }
  }

  /** The node of the client may have been the one that was killed. */
  async #again<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch {
        this.errors += 1
        await sleep(50)
      }
    }
  }
}

async function shardsOf(server: PostgresServer, database: string, node: string): Promise<Set<number>> {
  const rows = await server.query(
    `select shard.id from perdure.shard join perdure.session on session.id = session_id
     where node = $1 and fenced_at is null`,
    [node],
    database,
  )
  return new Set(rows.map(({ id }) => Number(id)))
}

async function settled(server: PostgresServer, database: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const [row] = await server.query(
      `select count(*)::int as n from (select session_id from perdure.shard group by 1 having count(*) >= 85) as shares`,
      [],
      database,
    )
    if (row?.n === 3) return
    await sleep(100)
  }
}

/** Of executions that had an event before and one after, of shards that were owned. */
async function pausesOf(
  server: PostgresServer,
  database: string,
  { owned, atMs }: { readonly owned: ReadonlySet<number>; readonly atMs: number },
): Promise<number[]> {
  const rows = await server.query(
    `select execution.shard, execution.run_id, string_agg(events, '\n' order by seq) as events
     from perdure.execution join perdure.journal using (day, run_id)
     where closed_at is null or closed_at > $1 group by 1, 2`,
    [atMs - BEFORE_MS],
    database,
  )
  const pauses: number[] = []
  for (const { shard, events } of rows) {
    if (!owned.has(Number(shard))) continue
    const times = String(events)
      .split('\n')
      .flatMap((each) => (JSON.parse(each) as { at: number }[]).map(({ at }) => at))
      .filter((at) => at > atMs - BEFORE_MS && at < atMs + AFTER_MS)
    let longest = 0
    for (let i = 1; i < times.length; i++) {
      const [before = 0, after = 0] = [times[i - 1], times[i]]
      if (after >= atMs - TICK_MS) longest = Math.max(longest, after - before)
    }
    if ((times[0] ?? Number.POSITIVE_INFINITY) < atMs && longest > 0)
      pauses.push(Math.max(0, longest - TICK_MS))
  }
  return pauses
}
