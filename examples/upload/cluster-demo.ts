/**
 * The demo with three nodes that share a PostgreSQL: a worker is killed half way, and then a node. It is not started again: the
 * other two have its shards soon, and go on with all that was in them.
 */
import { chmodSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { PostgresServer } from '../../test/postgres/server.ts'
import type { DemoProcess } from './child-processes.ts'
import { ClusterDatabase } from './cluster-database.ts'
import { midFileOf, type NodeKill } from './cluster-report.ts'
import type { DemoOptions } from './demo-options.ts'
import type { DemoStage } from './demo-stage.ts'
import { freePort } from './free-port.ts'
import { isKillMoment, progressOf } from './kill-moment.ts'
import { type Manifest, urlOf } from './upload-manifest.ts'
import { type Kill, type Report, readPutLog, reportOf, type WorkerKill } from './upload-report.ts'
import type { RunningTask, UploadRun } from './upload-run.ts'

const nodeNames = ['node-1', 'node-2', 'node-3']
const shards = 256
/** Enough for the tasks of the killed worker to be running elsewhere when the node is killed, too. */
const betweenKillsMs = 100
const lookEveryMs = 25
/** Shards are spread in some seconds; the machine may have other work. */
const spreadMs = 60_000

type Nodes = ReadonlyMap<string, DemoProcess>

interface Kills {
  readonly workerKill: WorkerKill | undefined
  readonly kill: Kill | undefined
  readonly nodeKill: NodeKill | undefined
}

export async function runClusterDemo(stage: DemoStage, options: DemoOptions): Promise<Report> {
  const { display } = stage
  const prepared = await stage.prepare(options)
  const server = await startPostgres(stage)
  await using database = new ClusterDatabase(server.url())
  const urls: string[] = []
  for (const _ of nodeNames) urls.push(urlOf(await freePort()))
  const manifest: Manifest = { ...prepared, store: server.url(), urls }
  const { files, policy, balancer } = manifest
  const manifestPath = stage.writeManifest(manifest)

  const nodes = await startNodes(stage, manifestPath, urls)
  await untilSpread(database)
  const workers = stage.startWorkers(manifestPath)
  display.say(`Which task is next: ${policy}. Which worker gets it: ${balancer}.`)
  const client = stage.children.start('upload-client.ts', [manifestPath])
  display.say(`A client starts ${files.length} uploads (process ${client.pid}).`)
  await client.message()
  const run: UploadRun = {
    done: client.done,
    uploads: () => database.uploads(),
    runningTasks: () => runningTasks(nodes),
  }
  for (const [name, node] of nodes)
    node.done.catch((error: Error) => display.say(`${name}: ${error.message}`))

  const kills = await killHalfWay({ stage, run, database, files, nodes, workers })
  await stage.watchUntil(run, files, () => false)
  const cluster = {
    nodeNames,
    nodeKill: kills.nodeKill,
    shardsAfter: await database.shards(),
    recordings: await database.recordings(),
  }
  const compared = await stage.compare(manifest, workers, () => database.uploads())
  return reportOf({ ...compared, ...kills, cluster })
}

/** Its data is in the temporary directory, and the stage stops it at the end. */
async function startPostgres(stage: DemoStage): Promise<PostgresServer> {
  // PostgreSQL does not run as root: it is another user, who has to get to its data.
  chmodSync(stage.temporary, 0o711)
  const starting = PostgresServer.start({ within: stage.temporary })
  stage.atEnd(async () => {
    const server = await starting.catch(() => undefined)
    await server?.stop('immediate')
  })
  const server = await starting
  stage.display.say(`PostgreSQL ${server.version} is at 127.0.0.1:${server.port} (process ${server.pid}).`)
  return server
}

async function startNodes(stage: DemoStage, manifestPath: string, urls: readonly string[]): Promise<Nodes> {
  const nodes = new Map<string, DemoProcess>()
  for (const [number, name] of nodeNames.entries()) {
    const url = urls[number] ?? ''
    const node = stage.children.start('upload-node.ts', [manifestPath, name, url])
    stage.display.say(`${name} is at ${url} (process ${node.pid}).`)
    nodes.set(name, node)
  }
  await Promise.all([...nodes.values()].map((node) => node.message()))
  return nodes
}

/** Each node has its share of the shards. */
async function untilSpread(database: ClusterDatabase): Promise<void> {
  const share = Math.floor(shards / nodeNames.length)
  const endMs = performance.now() + spreadMs
  for (;;) {
    const byNode = await database.shards()
    if (nodeNames.every((name) => (byNode.get(name)?.size ?? 0) >= share)) return
    if (performance.now() > endMs) {
      const found = [...byNode].map(([node, { size }]) => `${node} has ${size}`)
      throw new Error(`the shards are not spread after ${spreadMs / 1000} s: ${found.join(', ')}`)
    }
    await pause(lookEveryMs)
  }
}

/** Each node is asked what it has; a task counts once. */
async function runningTasks(nodes: Nodes): Promise<readonly RunningTask[]> {
  const answers = await Promise.all([...nodes.values()].map((node) => node.runningTasks()))
  const tasks = new Map(answers.flat().map((each) => [`${each.operation} ${each.execution}`, each]))
  return [...tasks.values()]
}

interface Stand {
  readonly stage: DemoStage
  readonly run: UploadRun
  readonly database: ClusterDatabase
  readonly files: Manifest['files']
  readonly nodes: Nodes
  readonly workers: Nodes
}

async function killHalfWay(stand: Stand): Promise<Kills> {
  const { stage, run, files, workers } = stand
  if (!(await stage.watchUntil(run, files, isKillMoment)))
    return { workerKill: undefined, kill: undefined, nodeKill: undefined }
  const workerKill = await stage.killBusiest(run, workers)
  await pause(betweenKillsMs)
  return { workerKill, ...(await killNode(stand)) }
}

/** SIGKILL of the node that has the most uploads in mid-file. */
async function killNode({ stage, database, files, nodes }: Stand): Promise<Omit<Kills, 'workerKill'>> {
  const { display, storeFolder } = stage
  const shardsBefore = await database.shards()
  const shardOf = await database.shardOfEach()
  const midFile = midFileOf(files, await database.uploads())
  const hits = nodeNames.map((name) => ({
    name,
    count: midFile.filter((id) => shardsBefore.get(name)?.has(shardOf.get(id) ?? -1)).length,
  }))
  const [victim] = hits.toSorted((a, b) => b.count - a.count)
  const node = victim === undefined ? undefined : nodes.get(victim.name)
  if (victim === undefined || (await node?.kill()) !== true) return { kill: undefined, nodeKill: undefined }
  const atMs = Date.now()
  // First what is recorded: a PUT of such a part that is logged later is one too many.
  const uploads = await database.uploads()
  const kill = { uploads, putsBefore: readPutLog(storeFolder).length }
  const progress = progressOf(files, uploads)
  const owned = shardsBefore.get(victim.name)?.size ?? 0
  display.say(
    `SIGKILL of ${victim.name}: it had ${owned} shards, and ${victim.count} of the ${progress.midFile} uploads in mid-file. ` +
      `${progress.partsRecorded} of ${progress.parts} parts are recorded.`,
  )
  while ((await database.shards()).has(victim.name)) await pause(lookEveryMs)
  const takenOverMs = Date.now() - atMs
  display.say(`All ${owned} shards of ${victim.name} have other owners, after ${takenOverMs} ms.`)
  const nodeKill = { node: victim.name, atMs, shards: shardsBefore, uploads, takenOverMs }
  return { kill, nodeKill }
}
