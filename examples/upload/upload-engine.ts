/**
 * The engine process: starts one execution per file of the manifest and waits until all have ended. It runs the code of
 * the workflow; the tasks go to the workers that connect.
 *
 * It does the same on every start. A start is idempotent by id: what was started before is not started again, and what
 * was in the middle of its work when the process died goes on by itself.
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { createEngine } from 'perdure'
import { uploadFileWith } from './upload-file.ts'
import { executionIdOf, type Manifest, portOf } from './upload-manifest.ts'
import { runningTaskOf } from './upload-run.ts'
import { uploadQueue, uploadTasksWith } from './upload-tasks.ts'

const startsAtOnce = 500

// No orphan is left behind when the parent dies.
process.on('disconnect', () => process.exit(1))
// Ctrl-C reaches all processes of the terminal: the parent ends this one.
process.on('SIGINT', () => {})

const [manifestPath = ''] = process.argv.slice(2)
const manifest: Manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
const { folder, storeUrl, store, urls, policy, balancer, files } = manifest
const uploadFile = uploadFileWith(uploadTasksWith({ folder, storeUrl, worker: 'engine' }))
const engine = await createEngine({
  store,
  workflows: [uploadFile],
  queues: [{ name: uploadQueue, policy, balancer }],
})
await engine.listen({ port: portOf(urls[0]) })

// The parent asks who runs what.
process.on('message', async () => {
  const { tasks } = await engine.listTasks({ status: ['running'] }).catch(() => ({ tasks: [] }))
  process.send?.(tasks.map(runningTaskOf))
})

for (let first = 0; first < files.length; first += startsAtOnce) {
  const batch = files.slice(first, first + startsAtOnce)
  await Promise.all(
    batch.map(({ path, bytes }) =>
      engine.start(uploadFile, { path, expectedBytes: bytes }, { id: executionIdOf(path) }),
    ),
  )
}
process.send?.('started')

// An upload that failed is in the journal with its reason.
await Promise.allSettled(files.map(({ path }) => engine.execution(uploadFile, executionIdOf(path)).result()))
await engine.close()
process.exit(0)
