/** What can go wrong, one function each: it makes it so, waits, and mends it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultyCluster } from './faulty-cluster.ts'

export interface Fault {
  /** Nodes that are hit; undefined: all. */
  readonly nodes: readonly string[] | undefined
  /** Resolves when it is over. Answers how many commits it hit, if it knows. */
  readonly inject: () => Promise<number | undefined>
}

/** From 0 to below 1. */
export type Random = () => number

export type FaultOf = (cluster: FaultyCluster, nodes: readonly string[], random: Random) => Fault

/** After this long without a heartbeat a session is fenced. */
const SESSION_TIMEOUT_MS = 2000
/** A batch fills in this time. */
const FILL_MS = 300
const FOUND_OUT_MS = 20_000
const TERMINATIONS = 5
const TERMINATE_FOR_MS = 20_000

const between = (random: Random, from: number, to: number): number =>
  Math.round(from + random() * (to - from))

/** On one node, by name. */
const onNode =
  (act: (cluster: FaultyCluster, node: string, random: Random) => Promise<void>): FaultOf =>
  (cluster, nodes, random) => {
    const node = nodes[Math.floor(random() * nodes.length)] ?? ''
    return {
      nodes: [node],
      inject: async () => {
        await act(cluster, node, random)
        return undefined
      },
    }
  }

/** On two nodes. */
const onPair =
  (act: (cluster: FaultyCluster, a: string, b: string, random: Random) => Promise<void>): FaultOf =>
  (cluster, nodes, random) => {
    const from = Math.floor(random() * nodes.length)
    const a = nodes[from] ?? ''
    const b = nodes[(from + 1 + Math.floor(random() * (nodes.length - 1))) % nodes.length] ?? ''
    return {
      nodes: [a, b],
      inject: async () => {
        await act(cluster, a, b, random)
        return undefined
      },
    }
  }

const onDatabase =
  (act: (cluster: FaultyCluster, random: Random) => Promise<number | undefined>): FaultOf =>
  (cluster, _nodes, random) => ({ nodes: undefined, inject: () => act(cluster, random) })

/** Between a node and whichever server the database has. */
const withDatabase = (
  act: (cluster: FaultyCluster, node: string, door: string, random: Random) => void,
  fromMs: number,
  toMs: number,
): FaultOf =>
  onNode(async (cluster, node, random) => {
    for (const door of cluster.databaseDoors) act(cluster, node, door, random)
    await sleep(between(random, fromMs, toMs))
    for (const door of cluster.databaseDoors) cluster.network.mend(node, door)
  })

/**
 * It resumes with the answer to a commit, and with a batch that has filled meanwhile, after all that it had has become somebody
 * else's: that batch must be kept out, and the node must find out. The answer is held for a moment so that there is such a batch.
 */
const pause: FaultOf = (cluster, nodes, random) => {
  const name = nodes[Math.floor(random() * nodes.length)] ?? ''
  const inject = async (): Promise<number> => {
    const node = cluster.node(name)
    const before = (await node.counters()).counters
    for (const door of cluster.databaseDoors) cluster.network.hold(door, name)
    await sleep(FILL_MS)
    node.stop()
    await sleep(3 * SESSION_TIMEOUT_MS)
    for (const door of cluster.databaseDoors) cluster.network.mend(door, name)
    node.go()
    const endMs = performance.now() + FOUND_OUT_MS
    for (;;) {
      const { fenced, fencedBatches } = (await node.counters()).counters
      if (fenced > before.fenced) return fencedBatches - before.fencedBatches
      if (performance.now() > endMs)
        throw new Error(`${name} was paused, and did not find out that it is fenced`)
      await sleep(50)
    }
  }
  return { nodes: [name], inject }
}

/** Only those that are committing in that moment. */
const TERMINATE = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where application_name = 'perdure commit' and state = 'active'`

async function terminate(cluster: FaultyCluster): Promise<number> {
  const endMs = performance.now() + TERMINATE_FOR_MS
  let hit = 0
  while (hit < TERMINATIONS && performance.now() < endMs) {
    hit += (await cluster.query(TERMINATE)).length
    await sleep(20)
  }
  return hit
}

async function stallStandby(cluster: FaultyCluster, random: Random): Promise<undefined> {
  const [receiver] = (await cluster.standby?.query('select pid from pg_stat_wal_receiver')) ?? []
  if (receiver === undefined) throw new Error('there is no standby that follows')
  process.kill(Number(receiver.pid), 'SIGSTOP')
  await sleep(between(random, 1000, 4000))
  process.kill(Number(receiver.pid), 'SIGCONT')
}

export const NODE_FAULTS = {
  'node killed': onNode(async (cluster, node, random) => {
    await cluster.killNode(node)
    await sleep(between(random, 0, 2500))
    await cluster.startNode(node)
  }),
  'node paused': pause,
  'node drained': onNode(async (cluster, node) => {
    await cluster.drainNode(node)
    await cluster.startNode(node)
  }),
  'node cut from database': withDatabase((cluster, node, door) => cluster.network.cut(node, door), 500, 5000),
  'node in the dark towards database': withDatabase(
    ({ network }, node, door) => {
      network.hold(node, door)
      network.hold(door, node)
    },
    1000,
    12_000,
  ),
  'one way to or from database dark': withDatabase(
    ({ network }, node, door, random) =>
      random() < 0.5 ? network.hold(node, door) : network.hold(door, node),
    1000,
    12_000,
  ),
  'slow network to database': withDatabase(
    ({ network }, node, door) => {
      network.delay(node, door, 40)
      network.delay(door, node, 40)
    },
    2000,
    5000,
  ),
  'two nodes cut from each other': onPair(async ({ network }, a, b, random) => {
    network.cut(a, b)
    await sleep(between(random, 500, 5000))
    network.mend(a, b)
  }),
  'two nodes in the dark towards each other': onPair(async ({ network }, a, b, random) => {
    network.hold(a, b)
    network.hold(b, a)
    await sleep(between(random, 1000, 6000))
    network.mend(a, b)
  }),
  'one way between two nodes dark': onPair(async ({ network }, a, b, random) => {
    network.hold(a, b)
    await sleep(between(random, 1000, 6000))
    network.mend(a, b)
  }),
  'client cut from node': onNode(async ({ network }, node, random) => {
    network.cut('client-0', node)
    await sleep(between(random, 500, 3000))
    network.mend('client-0', node)
  }),
} as const satisfies Record<string, FaultOf>

export const DATABASE_FAULTS = {
  'database crashed': onDatabase(async ({ primary }, random) => {
    await primary.stop('immediate')
    await sleep(between(random, 0, 1500))
    await primary.start()
    return undefined
  }),
  'connections terminated while committing': onDatabase(terminate),
} as const satisfies Record<string, FaultOf>

export const STANDBY_FAULTS = {
  'primary lost, standby promoted': onDatabase(async (cluster, random) => {
    await cluster.failOver()
    await sleep(between(random, 500, 3000))
    await cluster.addStandby()
    return undefined
  }),
  'standby stalled': onDatabase(stallStandby),
} as const satisfies Record<string, FaultOf>

export const DISK_FAULTS = {
  'slow disk': onDatabase(async (cluster, random) => {
    cluster.slowDisk(between(random, 50, 500))
    await sleep(between(random, 3000, 5000))
    cluster.slowDisk(0)
    return undefined
  }),
  'disk stalled': onDatabase(async (cluster, random) => {
    cluster.slowDisk(60_000)
    await sleep(between(random, 2500, 5000))
    cluster.slowDisk(0)
    return undefined
  }),
} as const satisfies Record<string, FaultOf>
