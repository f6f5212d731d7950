/** What both kinds of the demo need: files, object store, workers, looks at what is recorded, the kill of a worker. */
import { mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { ChildProcesses, type DemoProcess } from './child-processes.ts'
import { filesBelow, makeDefaultFiles, UsageError } from './demo-files.ts'
import type { DemoOptions } from './demo-options.ts'
import { type Progress, progressOf } from './kill-moment.ts'
import { ProgressDisplay } from './progress-display.ts'
import type { RecordedUploads } from './upload-journal.ts'
import { type Manifest, partCount, type SourceFile } from './upload-manifest.ts'
import { type Findings, filesThatDiffer, readPutLog, type WorkerKill } from './upload-report.ts'
import type { UploadRun } from './upload-run.ts'

const workerNames = ['worker-1', 'worker-2', 'worker-3', 'worker-4']
/** What a worker has sent arrives meanwhile. */
const freezeMs = 100
const lookEveryMs = 40
/** Looks cost no more than this share of the time. */
const lookShare = 0.1
/** The object store is no faster, so that the kill finds the uploads of a small directory in the middle, too. */
const uploadSecondsMin = 3
const stalledAfterMs = 60_000

export type Workers = ReadonlyMap<string, DemoProcess>

export class DemoStage {
  readonly children = new ChildProcesses()
  readonly display = new ProgressDisplay(process.stderr)
  /** For all that the demo writes. */
  readonly temporary: string
  readonly storeFolder: string
  readonly #startedAtMs = performance.now()
  readonly #ends: (() => Promise<void>)[] = []

  constructor(temporary: string) {
    this.temporary = temporary
    this.storeFolder = join(temporary, 'store')
  }

  /** After the processes that it has started. */
  atEnd(act: () => Promise<void>): void {
    this.#ends.push(act)
  }

  async end(): Promise<void> {
    await this.children.killAll()
    await Promise.all(this.#ends.splice(0).map((act) => act()))
    this.display.clear()
  }

  /** Files and object store. */
  async prepare({
    seed,
    directory,
    policy,
    balancer,
  }: DemoOptions): Promise<Omit<Manifest, 'store' | 'urls'>> {
    const { temporary, storeFolder } = this
    const folder = directory ?? join(temporary, 'files')
    if (directory === undefined) {
      mkdirSync(folder)
      makeDefaultFiles(folder, seed)
    }
    const files = filesBelow(folder)
    if (files.length === 0) throw new UsageError(`there are no files in ${folder}`)
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const { bavail, bsize } = statfsSync(temporary)
    if (bytes > bavail * bsize)
      throw new UsageError(`${folder} has ${bytes} bytes, and ${temporary} has place for ${bavail * bsize}`)

    const parts = files.reduce((sum, file) => sum + partCount(file.bytes), 0)
    const putsPerSecond = String(parts / uploadSecondsMin)
    const store = this.children.start('object-store.ts', [storeFolder, String(seed), putsPerSecond])
    const { url: storeUrl } = (await store.message()) as { url: string }
    this.display.say(`The object store is at ${storeUrl} (process ${store.pid}).`)
    return { folder, storeUrl, policy, balancer, files }
  }

  /** Answers the path. */
  writeManifest(manifest: Manifest): string {
    const path = join(this.temporary, 'manifest.json')
    writeFileSync(path, JSON.stringify(manifest))
    return path
  }

  startWorkers(manifestPath: string): Workers {
    const workers = new Map(
      workerNames.map((name) => [name, this.children.start('upload-worker.ts', [manifestPath, name])]),
    )
    for (const [name, worker] of workers) {
      this.display.say(`${name} is started (process ${worker.pid}).`)
      worker.done.catch((error: Error) => this.display.say(`${name}: ${error.message}`))
    }
    return workers
  }

  /** SIGKILL of the worker that runs the most tasks. */
  async killBusiest(run: UploadRun, workers: Workers): Promise<WorkerKill | undefined> {
    const byWorker = Map.groupBy(await run.runningTasks(), ({ worker }) => worker)
    const [busiest] = [...byWorker].toSorted(([, a], [, b]) => b.length - a.length)
    if (busiest === undefined) return undefined
    const [worker] = busiest
    // Frozen first, so that what is said to run on it when it is killed does.
    workers.get(worker)?.freeze()
    await pause(freezeMs)
    const running = (await run.runningTasks()).filter((task) => task.worker === worker)
    if ((await workers.get(worker)?.kill()) !== true) return undefined
    this.display.say(`SIGKILL of ${worker}: ${running.length} tasks ran on it. Others get them.`)
    return { worker, running }
  }

  /** Shows the progress until the uploads have ended, or `isEnough`: then true. */
  async watchUntil(
    run: UploadRun,
    files: readonly SourceFile[],
    isEnough: (progress: Progress) => boolean,
  ): Promise<boolean> {
    let hasEnded = false
    const end = () => {
      hasEnded = true
    }
    run.done.then(end, end)
    let changedAtMs = performance.now()
    let last = ''
    while (!hasEnded) {
      const lookedAtMs = performance.now()
      const progress = progressOf(files, await run.uploads())
      const { parts, partsRecorded, midFile, filesDone } = progress
      const text = `${partsRecorded} of ${parts} parts, ${filesDone} files done, ${midFile} in mid-file`
      // Reading back counts as well: each file is one more piece of work.
      this.display.show(partsRecorded + filesDone, parts + files.length, text)
      if (isEnough(progress)) return true
      const nowMs = performance.now()
      if (text !== last) changedAtMs = nowMs
      last = text
      if (nowMs - changedAtMs > stalledAfterMs) throw new Error(`nothing happens any more: ${text}`)
      await Promise.race([
        pause(Math.max(lookEveryMs, (nowMs - lookedAtMs) / lookShare)),
        run.done.catch(() => {}),
      ])
    }
    await run.done
    return false
  }

  /** Ends the workers, and compares what is recorded with what is stored. */
  async compare(
    manifest: Manifest,
    workers: Workers,
    readUploads: () => Promise<RecordedUploads>,
  ): Promise<Omit<Findings, 'workerKill' | 'kill'>> {
    const { display, storeFolder } = this
    await Promise.all([...workers.values()].map((worker) => worker.kill()))
    display.say(
      'Comparing the stored bytes with the files, and the journal with the log of the object store.',
    )
    const differing = await filesThatDiffer(manifest.files, manifest.folder, storeFolder)
    const uploads = await readUploads()
    for (const path of differing.slice(0, 5)) display.say(`differs: ${path}`)
    const failures = [...uploads].filter(([, { failure }]) => failure !== undefined)
    for (const [id, { failure }] of failures.slice(0, 5)) display.say(`failed: ${id}: ${failure}`)
    const wallTimeMs = Math.round(performance.now() - this.#startedAtMs)
    const puts = readPutLog(storeFolder)
    return { manifest, workerNames, puts, uploads, differing, wallTimeMs }
  }
}
