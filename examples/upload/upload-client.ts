/**
 * The client of the cluster: starts one execution per file of the manifest and waits until all have ended. It is connected to
 * one node, and goes on with another when that one is killed.
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { connect, jsonLogger } from 'perdure'
import { uploadFileWith } from './upload-file.ts'
import { executionIdOf, type Manifest } from './upload-manifest.ts'
import { uploadTasksWith } from './upload-tasks.ts'

const startsAtOnce = 500

// No orphan is left behind when the parent dies.
process.on('disconnect', () => process.exit(1))
// Ctrl-C reaches all processes of the terminal: the parent ends this one.
process.on('SIGINT', () => {})

const [manifestPath = ''] = process.argv.slice(2)
const { folder, storeUrl, urls, files }: Manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
const uploadFile = uploadFileWith(uploadTasksWith({ folder, storeUrl, worker: 'client' }))
// That a node is gone is what the demo is about, and no news.
const client = await connect(urls, { logger: jsonLogger('error') })

for (let first = 0; first < files.length; first += startsAtOnce) {
  const batch = files.slice(first, first + startsAtOnce)
  await Promise.all(
    batch.map(({ path, bytes }) =>
      client.start(uploadFile, { path, expectedBytes: bytes }, { id: executionIdOf(path) }),
    ),
  )
}
process.send?.('started')

// An upload that failed is in the journal with its reason.
await Promise.allSettled(files.map(({ path }) => client.execution(uploadFile, executionIdOf(path)).result()))
await client.close()
process.exit(0)
