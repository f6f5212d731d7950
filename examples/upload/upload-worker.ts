/**
 * A worker process. It connects to the engine by itself: at the beginning, and again when the engine was killed. Of a cluster it
 * connects to all nodes, and has the work of each.
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { createWorker, jsonLogger } from 'perdure'
import type { Manifest } from './upload-manifest.ts'
import { uploadQueue, uploadTasksWith } from './upload-tasks.ts'

const tasksAtOnce = 4

// No orphan is left behind when the parent dies.
process.on('disconnect', () => process.exit(1))
// Ctrl-C reaches all processes of the terminal: the parent ends this one.
process.on('SIGINT', () => {})

const [manifestPath = '', worker = ''] = process.argv.slice(2)
const manifest: Manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
const { folder, storeUrl, urls } = manifest

await createWorker({
  url: urls,
  id: worker,
  tasks: Object.values(uploadTasksWith({ folder, storeUrl, worker })),
  queues: [uploadQueue],
  concurrency: tasksAtOnce,
  // That the engine is away for a moment is what the demo is about, and no news.
  logger: jsonLogger('error'),
})
