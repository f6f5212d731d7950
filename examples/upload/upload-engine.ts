/**
 * The engine process: starts one execution per file of the manifest and waits until all have ended.
 *
 * It does the same on every start. A start is idempotent by id: what was started before is not started again, and what
 * was in the middle of its work when the process died goes on by itself.
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { createEngine } from 'perdure'
import { Slots } from './slots.ts'
import { uploadFileWith } from './upload-file.ts'
import { executionIdOf, type Manifest } from './upload-manifest.ts'

const slotCount = 16
const startsAtOnce = 500

// No orphan is left behind when the parent dies.
process.on('disconnect', () => process.exit(1))
// Ctrl-C reaches all processes of the terminal: the parent ends this one.
process.on('SIGINT', () => {})

const [manifestPath = ''] = process.argv.slice(2)
const { folder, storeUrl, database, files }: Manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
const uploadFile = uploadFileWith({ folder, storeUrl, slots: new Slots(slotCount) })
const engine = await createEngine({ store: `sqlite:${database}`, workflows: [uploadFile] })

for (let first = 0; first < files.length; first += startsAtOnce) {
  const batch = files.slice(first, first + startsAtOnce)
  await Promise.all(batch.map(({ path }) => engine.start(uploadFile, { path }, { id: executionIdOf(path) })))
}
process.send?.('started')

// An upload that failed is in the journal with its reason.
await Promise.allSettled(files.map(({ path }) => engine.execution(uploadFile, executionIdOf(path)).result()))
await engine.close()
process.exit(0)
