/**
 * A node of the cluster: the same engine as upload-engine.ts, on PostgreSQL, which shares the work with the other nodes. It ends
 * when the demo does, or is killed.
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { createEngine, jsonLogger } from 'perdure'
import { uploadFileWith } from './upload-file.ts'
import { type Manifest, portOf } from './upload-manifest.ts'
import { runningTaskOf } from './upload-run.ts'
import { uploadQueue, uploadTasksWith } from './upload-tasks.ts'

/** The queue is on all nodes: each partition is in a shard of its own. */
const partitions = 24

// No orphan is left behind when the parent dies.
process.on('disconnect', () => process.exit(1))
// Ctrl-C reaches all processes of the terminal: the parent ends this one.
process.on('SIGINT', () => {})

const [manifestPath = '', name = '', url] = process.argv.slice(2)
const { folder, storeUrl, store, policy, balancer }: Manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
const engine = await createEngine({
  store,
  cluster: { name, port: portOf(url) },
  workflows: [uploadFileWith(uploadTasksWith({ folder, storeUrl, worker: name }))],
  queues: [{ name: uploadQueue, policy, balancer, partitions }],
  // That another node is gone is what the demo is about, and no news.
  logger: jsonLogger('error'),
  onFailed: (error) => {
    console.error(`${name} stops:`, error)
    process.exit(1)
  },
})

// The parent asks who runs what.
process.on('message', async () => {
  const { tasks } = await engine.listTasks({ status: ['running'] }).catch(() => ({ tasks: [] }))
  process.send?.(tasks.map(runningTaskOf))
})
process.send?.('ready')
