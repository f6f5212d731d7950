/**
 * `npm run demo`: a file-upload system on Perdure. Half way one of its workers is killed, and then the engine.
 *
 * The processes: this one, which watches and kills; the object store (object-store.ts); the engine (upload-engine.ts), which
 * runs one execution of the workflow (upload-file.ts) per file and keeps its journal in a SQLite file; four workers
 * (upload-worker.ts), which run its tasks (upload-tasks.ts). At the end the object store's log, the journal and the stored
 * bytes are compared (upload-report.ts).
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { ChildProcesses, type DemoProcess } from './child-processes.ts'
import { filesBelow, makeDefaultFiles, UsageError } from './demo-files.ts'
import { type DemoOptions, help, readOptions } from './demo-options.ts'
import { freePort } from './free-port.ts'
import { isKillMoment, type Progress, progressOf } from './kill-moment.ts'
import { ProgressDisplay } from './progress-display.ts'
import { readUploads } from './upload-journal.ts'
import { type Manifest, partCount } from './upload-manifest.ts'
import {
  faultsOf,
  filesThatDiffer,
  type Kill,
  type Report,
  readPutLog,
  remarkOf,
  reportOf,
  tableOf,
  type WorkerKill,
} from './upload-report.ts'

const workerNames = ['worker-1', 'worker-2', 'worker-3', 'worker-4']
/** Enough for the tasks of the killed worker to be running elsewhere when the engine is killed, too. */
const betweenKillsMs = 100
/** What a worker has sent arrives meanwhile. */
const freezeMs = 100
const lookEveryMs = 40
/** Looks cost no more than this share of the time. */
const lookShare = 0.1
/** The object store is no faster, so that the kill finds the uploads of a small directory in the middle, too. */
const uploadSecondsMin = 3
const stalledAfterMs = 60_000

const children = new ChildProcesses()
const display = new ProgressDisplay(process.stderr)
let isInterrupted = false

async function run(options: DemoOptions, temporary: string): Promise<Report> {
  const startedAtMs = performance.now()
  const manifest = await prepare(options, temporary)
  const { files, folder, database, policy, balancer } = manifest
  const storeFolder = join(temporary, 'store')
  const manifestPath = join(temporary, 'manifest.json')
  writeFileSync(manifestPath, JSON.stringify(manifest))

  const first = children.start('upload-engine.ts', [manifestPath])
  display.say(`The engine uploads ${files.length} files (process ${first.pid}).`)
  const workers = startWorkers(manifestPath)
  display.say(`Which task is next: ${policy}. Which worker gets it: ${balancer}.`)
  await first.message()
  let workerKill: WorkerKill | undefined
  if (await watchUntil(first, manifest, isKillMoment)) {
    workerKill = await killBusiest(first, workers)
    await pause(betweenKillsMs)
  }
  let kill: Kill | undefined
  if (await first.kill()) {
    kill = { uploads: readUploads(database), putsBefore: readPutLog(storeFolder).length }
    const { midFile, partsRecorded, parts } = progressOf(files, kill.uploads)
    display.say(
      `SIGKILL of the engine: ${partsRecorded} of ${parts} parts are recorded, ${midFile} uploads are in mid-file.`,
    )
    const second = children.start('upload-engine.ts', [manifestPath])
    display.say(`The engine is started again (process ${second.pid}), and the workers connect again.`)
    await second.message()
    await watchUntil(second, manifest, () => false)
    await second.done
  } else await first.done
  await Promise.all([...workers.values()].map((worker) => worker.kill()))

  display.say('Comparing the stored bytes with the files, and the journal with the log of the object store.')
  const differing = await filesThatDiffer(files, folder, storeFolder)
  const uploads = readUploads(database)
  for (const path of differing.slice(0, 5)) display.say(`differs: ${path}`)
  const failures = [...uploads].filter(([, { failure }]) => failure !== undefined)
  for (const [id, { failure }] of failures.slice(0, 5)) display.say(`failed: ${id}: ${failure}`)
  const wallTimeMs = Math.round(performance.now() - startedAtMs)
  const puts = readPutLog(storeFolder)
  return reportOf({ manifest, workerNames, puts, workerKill, kill, uploads, differing, wallTimeMs })
}

function startWorkers(manifestPath: string): ReadonlyMap<string, DemoProcess> {
  const workers = new Map(
    workerNames.map((name) => [name, children.start('upload-worker.ts', [manifestPath, name])]),
  )
  for (const [name, worker] of workers) {
    display.say(`${name} is started (process ${worker.pid}).`)
    worker.done.catch((error: Error) => display.say(`${name}: ${error.message}`))
  }
  return workers
}

/** SIGKILL of the worker that runs the most tasks. */
async function killBusiest(
  engine: DemoProcess,
  workers: ReadonlyMap<string, DemoProcess>,
): Promise<WorkerKill | undefined> {
  const byWorker = Map.groupBy(await engine.runningTasks(), ({ worker }) => worker)
  const [busiest] = [...byWorker].toSorted(([, a], [, b]) => b.length - a.length)
  if (busiest === undefined) return undefined
  const [worker] = busiest
  // Frozen first, so that what is said to run on it when it is killed does.
  workers.get(worker)?.freeze()
  await pause(freezeMs)
  const running = (await engine.runningTasks()).filter((task) => task.worker === worker)
  if ((await workers.get(worker)?.kill()) !== true) return undefined
  display.say(`SIGKILL of ${worker}: ${running.length} tasks ran on it. Others get them.`)
  return { worker, running }
}

/** Files, object store, and a port for the engine. */
async function prepare(options: DemoOptions, temporary: string): Promise<Manifest> {
  const { seed, policy, balancer } = options
  let folder = options.directory
  if (folder === undefined) {
    folder = join(temporary, 'files')
    mkdirSync(folder)
    makeDefaultFiles(folder, seed)
  }
  const files = filesBelow(folder)
  if (files.length === 0) throw new UsageError(`there are no files in ${folder}`)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const { bavail, bsize } = statfsSync(temporary)
  if (bytes > bavail * bsize)
    throw new UsageError(`${folder} has ${bytes} bytes, and ${temporary} has place for ${bavail * bsize}`)

  const storeFolder = join(temporary, 'store')
  const parts = files.reduce((sum, file) => sum + partCount(file.bytes), 0)
  const store = children.start('object-store.ts', [
    storeFolder,
    String(seed),
    String(parts / uploadSecondsMin),
  ])
  const { url: storeUrl } = (await store.message()) as { url: string }
  display.say(`The object store is at ${storeUrl} (process ${store.pid}).`)
  const enginePort = await freePort()
  return { folder, storeUrl, database: join(temporary, 'engine.db'), enginePort, policy, balancer, files }
}

/** Shows the progress until the process ends, or `isEnough`: then true. */
async function watchUntil(
  engine: DemoProcess,
  manifest: Manifest,
  isEnough: (progress: Progress) => boolean,
): Promise<boolean> {
  let hasEnded = false
  const end = () => {
    hasEnded = true
  }
  engine.done.then(end, end)
  let changedAtMs = performance.now()
  let last = ''
  while (!hasEnded) {
    const lookedAtMs = performance.now()
    const uploads = readUploads(manifest.database)
    const progress = progressOf(manifest.files, uploads)
    const { parts, partsRecorded, midFile, filesDone } = progress
    const text = `${partsRecorded} of ${parts} parts, ${filesDone} files done, ${midFile} in mid-file`
    // Reading back counts as well: each file is one more piece of work.
    display.show(partsRecorded + filesDone, parts + manifest.files.length, text)
    if (isEnough(progress)) return true
    const nowMs = performance.now()
    if (text !== last) changedAtMs = nowMs
    last = text
    if (nowMs - changedAtMs > stalledAfterMs) throw new Error(`nothing happens any more: ${text}`)
    await Promise.race([
      pause(Math.max(lookEveryMs, (nowMs - lookedAtMs) / lookShare)),
      engine.done.catch(() => {}),
    ])
  }
  await engine.done
  return false
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) {
    console.log(help)
    return 0
  }
  const temporary = mkdtempSync(join(tmpdir(), 'perdure-demo-'))
  let isCleaned = false
  const cleanUp = async (): Promise<void> => {
    if (isCleaned) return
    isCleaned = true
    await children.killAll()
    display.clear()
    if (options.keep) display.say(`Kept: ${temporary}`)
    else rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      isInterrupted = true
      void cleanUp().finally(() => process.exit(128 + constants.signals[signal]))
    })
  }
  try {
    const report = await run(options, temporary)
    const faults = faultsOf(report)
    display.clear()
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
