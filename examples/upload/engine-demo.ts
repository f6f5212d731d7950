/** The demo with one engine on a SQLite file: a worker is killed half way, and then the engine, which is started again. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { DemoProcess } from './child-processes.ts'
import type { DemoOptions } from './demo-options.ts'
import type { DemoStage } from './demo-stage.ts'
import { freePort } from './free-port.ts'
import { isKillMoment, progressOf } from './kill-moment.ts'
import { readUploads } from './upload-journal.ts'
import { type Manifest, urlOf } from './upload-manifest.ts'
import { type Kill, type Report, readPutLog, reportOf, type WorkerKill } from './upload-report.ts'
import type { UploadRun } from './upload-run.ts'

/** Enough for the tasks of the killed worker to be running elsewhere when the engine is killed, too. */
const betweenKillsMs = 100

export async function runEngineDemo(stage: DemoStage, options: DemoOptions): Promise<Report> {
  const { children, display } = stage
  const prepared = await stage.prepare(options)
  const { files, policy, balancer } = prepared
  const database = join(stage.temporary, 'engine.db')
  const manifest: Manifest = { ...prepared, store: `sqlite:${database}`, urls: [urlOf(await freePort())] }
  const manifestPath = stage.writeManifest(manifest)
  const uploads = async () => readUploads(database)
  const runOf = (engine: DemoProcess): UploadRun => ({
    done: engine.done,
    uploads,
    runningTasks: () => engine.runningTasks(),
  })

  const first = children.start('upload-engine.ts', [manifestPath])
  display.say(`The engine uploads ${files.length} files (process ${first.pid}).`)
  const workers = stage.startWorkers(manifestPath)
  display.say(`Which task is next: ${policy}. Which worker gets it: ${balancer}.`)
  await first.message()
  let workerKill: WorkerKill | undefined
  if (await stage.watchUntil(runOf(first), files, isKillMoment)) {
    workerKill = await stage.killBusiest(runOf(first), workers)
    await pause(betweenKillsMs)
  }
  let kill: Kill | undefined
  if (await first.kill()) {
    kill = { uploads: readUploads(database), putsBefore: readPutLog(stage.storeFolder).length }
    const { midFile, partsRecorded, parts } = progressOf(files, kill.uploads)
    display.say(
      `SIGKILL of the engine: ${partsRecorded} of ${parts} parts are recorded, ${midFile} uploads are in mid-file.`,
    )
    const second = children.start('upload-engine.ts', [manifestPath])
    display.say(`The engine is started again (process ${second.pid}), and the workers connect again.`)
    await second.message()
    await stage.watchUntil(runOf(second), files, () => false)
    await second.done
  } else await first.done
  return reportOf({ ...(await stage.compare(manifest, workers, uploads)), workerKill, kill })
}
