/**
 * `npm run demo`: a file-upload system on Perdure. Half way one of its workers is killed, and then the engine
 * (engine-demo.ts); with `--cluster` one of three nodes (cluster-demo.ts).
 *
 * The processes: this one, which watches and kills; the object store (object-store.ts); the engine (upload-engine.ts), which
 * runs one execution of the workflow (upload-file.ts) per file and keeps its journal in a SQLite file, or three nodes
 * (upload-node.ts) on PostgreSQL, and their client (upload-client.ts); four workers (upload-worker.ts), which run its tasks (upload-tasks.ts). At the end the
 * object store's log, the journal and the stored bytes are compared (upload-report.ts).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { runClusterDemo } from './cluster-demo.ts'
import { UsageError } from './demo-files.ts'
import { help, readOptions } from './demo-options.ts'
import { DemoStage } from './demo-stage.ts'
import { runEngineDemo } from './engine-demo.ts'
import { faultsOf, remarkOf, tableOf } from './upload-report.ts'

let isInterrupted = false

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) {
    console.log(help)
    return 0
  }
  const temporary = mkdtempSync(join(tmpdir(), 'perdure-demo-'))
  const stage = new DemoStage(temporary)
  let isCleaned = false
  const cleanUp = async (): Promise<void> => {
    if (isCleaned) return
    isCleaned = true
    await stage.end()
    if (options.keep) stage.display.say(`Kept: ${temporary}`)
    else rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      isInterrupted = true
      void cleanUp().finally(() => process.exit(128 + constants.signals[signal]))
    })
  }
  try {
    const report = options.cluster
      ? await runClusterDemo(stage, options)
      : await runEngineDemo(stage, options)
    const faults = faultsOf(report)
    stage.display.clear()
    if (options.json) console.log(JSON.stringify({ ...report, faults }))
    else
      console.log(`\n${[tableOf(report), remarkOf(report), verdictOf(faults)].filter(Boolean).join('\n\n')}`)
    return faults.length === 0 ? 0 : 1
  } finally {
    await cleanUp()
  }
}

function verdictOf(faults: readonly string[]): string {
  return faults.length === 0 ? 'All is as promised.' : faults.map((fault) => `FAULT: ${fault}`).join('\n')
}

try {
  process.exitCode = await main()
} catch (error) {
  // An interrupted run ends with what its signal handler says.
  if (!isInterrupted) {
    console.error(error instanceof UsageError ? `demo: ${error.message}` : error)
    process.exitCode = error instanceof UsageError ? 2 : 1
  }
}
