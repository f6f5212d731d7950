/** What the demo found, and whether that is what is promised. */
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import {
  type ClusterFindings,
  type ClusterReport,
  clusterReportOf,
  clusterRowsOf,
  nodeRowsOf,
} from './cluster-report.ts'
import { columnTable } from './column-table.ts'
import { midFilePartsMin, midFileWanted, progressOf } from './kill-moment.ts'
import { logPath, objectPath, type PutRecord } from './object-store.ts'
import type { RecordedUploads } from './upload-journal.ts'
import { executionIdOf, type Manifest, type SourceFile } from './upload-manifest.ts'
import type { RunningTask } from './upload-run.ts'
import { shareTableOf, type WorkerShare, workerShares } from './worker-shares.ts'

/** The worker that was killed, and what ran on it then. */
export interface WorkerKill {
  readonly worker: string
  readonly running: readonly RunningTask[]
}

/** What was recorded when the engine, or a node, was killed, and how many PUTs the object store had logged then. */
export interface Kill {
  readonly uploads: RecordedUploads
  readonly putsBefore: number
}

export interface Report {
  readonly policy: string
  readonly balancer: string
  readonly files: number
  readonly bytes: number
  readonly parts: number
  readonly puts: number
  readonly answered503: number
  readonly connectionsDropped: number
  readonly retries: number
  readonly workerKilled: string | null
  readonly tasksOnKilledWorker: number
  /** Of these, those that other workers have completed. */
  readonly tasksTakenOver: number
  readonly enginesKilled: number
  readonly midFileAtKill: number
  /** Zero when there are fewer files that are large enough. */
  readonly midFileWanted: number
  readonly partsRecordedAtKill: number
  readonly recordedPartsLost: number
  readonly partsPutAgainUnrecorded: number
  readonly partsPutAgainAfterRecorded: number
  readonly uploadsFailed: number
  readonly filesThatDiffer: number
  readonly wallTimeMs: number
  /** Of each worker, and last of all. */
  readonly workers: readonly WorkerShare[]
  /** Null when it was one engine. */
  readonly cluster: ClusterReport | null
}

export function readPutLog(storeFolder: string): PutRecord[] {
  const lines = readFileSync(logPath(storeFolder), 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as PutRecord)
}

/**
 * Parts that were PUT although their completion was recorded. A PUT counts if the completion was in the journal when the
 * engine was killed and the PUT was logged after that, or if it was logged later than the completion's own time.
 */
export function putAgainAfterRecorded(
  puts: readonly PutRecord[],
  kill: Kill | undefined,
  uploads: RecordedUploads,
): Set<string> {
  const again = puts.filter(({ name, part, at }, number) => {
    const id = executionIdOf(name)
    if (kill !== undefined && number >= kill.putsBefore && kill.uploads.get(id)?.parts.has(part)) return true
    return at > (uploads.get(id)?.parts.get(part)?.recordedAtMs ?? Number.POSITIVE_INFINITY)
  })
  return namesOf(again)
}

const namesOf = (puts: readonly PutRecord[]): Set<string> =>
  new Set(puts.map(({ name, part }) => `${name} part ${part}`))

/** Completions that were recorded when the engine was killed and are not recorded now, or under another key. */
export function recordedPartsLost(kill: Kill | undefined, uploads: RecordedUploads): number {
  let lost = 0
  for (const [id, { parts }] of kill?.uploads ?? []) {
    for (const [part, { key }] of parts) if (uploads.get(id)?.parts.get(part)?.key !== key) lost += 1
  }
  return lost
}

/** Paths of files whose object is missing or has other bytes. */
export async function filesThatDiffer(
  files: readonly SourceFile[],
  folder: string,
  storeFolder: string,
): Promise<string[]> {
  const differ: string[] = []
  for (const { path } of files) {
    const [source, stored] = await Promise.all([
      hashOf(join(folder, path)),
      hashOf(objectPath(storeFolder, path)),
    ])
    if (source === undefined || source !== stored) differ.push(path)
  }
  return differ
}

async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path), hash)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return hash.digest('hex')
}

/** How many tasks that ran on the killed worker were completed by another one. */
export function tasksTakenOver(workerKill: WorkerKill | undefined, uploads: RecordedUploads): number {
  const workers = workerKill?.running.map(
    ({ execution, operation }) => uploads.get(execution)?.tasks.get(operation)?.worker,
  )
  return workers?.filter((worker) => worker !== undefined && worker !== workerKill?.worker).length ?? 0
}

export interface Findings {
  readonly manifest: Manifest
  readonly workerNames: readonly string[]
  readonly puts: readonly PutRecord[]
  readonly workerKill: WorkerKill | undefined
  readonly kill: Kill | undefined
  readonly uploads: RecordedUploads
  readonly differing: readonly string[]
  readonly wallTimeMs: number
  readonly cluster?: ClusterFindings
}

export function reportOf(findings: Findings): Report {
  const { manifest, workerNames, puts, workerKill, kill, uploads, differing, wallTimeMs } = findings
  const { files, policy, balancer } = manifest
  const { parts, large } = progressOf(files, uploads)
  const atKill = kill === undefined ? undefined : progressOf(files, kill.uploads)
  const again = putAgainAfterRecorded(puts, kill, uploads)
  const before = namesOf(puts.slice(0, kill?.putsBefore ?? puts.length))
  const after = namesOf(puts.slice(kill?.putsBefore ?? puts.length))
  const workers = workerShares(workerNames, uploads)
  return {
    policy,
    balancer,
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    parts,
    puts: puts.length,
    answered503: puts.filter(({ fault }) => fault === 'unavailable').length,
    connectionsDropped: puts.filter(({ fault }) => fault === 'dropped').length,
    retries: workers.at(-1)?.retries ?? 0,
    workerKilled: workerKill?.worker ?? null,
    tasksOnKilledWorker: workerKill?.running.length ?? 0,
    tasksTakenOver: tasksTakenOver(workerKill, uploads),
    enginesKilled: kill === undefined ? 0 : 1,
    midFileAtKill: atKill?.midFile ?? 0,
    midFileWanted: large < midFileWanted ? 0 : midFileWanted,
    partsRecordedAtKill: atKill?.partsRecorded ?? 0,
    recordedPartsLost: recordedPartsLost(kill, uploads),
    partsPutAgainUnrecorded: [...after].filter((part) => before.has(part) && !again.has(part)).length,
    partsPutAgainAfterRecorded: again.size,
    uploadsFailed: files.filter(({ path }) => uploads.get(executionIdOf(path))?.status !== 'completed')
      .length,
    filesThatDiffer: differing.length,
    wallTimeMs,
    workers,
    cluster: findings.cluster === undefined ? null : clusterReportOf(findings.cluster, { files, puts }),
  }
}

/** What is killed beside a worker. */
const victimOf = ({ cluster }: Report): string => (cluster === null ? 'engine' : 'node')

/** What is wrong, in sentences; nothing if all is as promised. */
export function faultsOf(report: Report): string[] {
  const faults: string[] = []
  const { partsPutAgainAfterRecorded, recordedPartsLost, filesThatDiffer, uploadsFailed, midFileAtKill } =
    report
  if (partsPutAgainAfterRecorded > 0)
    faults.push(`${partsPutAgainAfterRecorded} parts were PUT again after their completion was recorded`)
  if (recordedPartsLost > 0) faults.push(`${recordedPartsLost} recorded parts are no longer recorded`)
  if (filesThatDiffer > 0) faults.push(`${filesThatDiffer} files are not stored as they are`)
  if (uploadsFailed > 0) faults.push(`${uploadsFailed} uploads did not complete`)
  if (midFileAtKill < report.midFileWanted)
    faults.push(
      `the kill of the ${victimOf(report)} hit ${midFileAtKill} uploads in mid-file, not ${report.midFileWanted} or more`,
    )
  if (report.midFileWanted > 0 && report.workerKilled === null) faults.push('no worker was killed')
  return faults
}

export function tableOf(report: Report): string {
  const MiB = (report.bytes / 2 ** 20).toFixed(1)
  const victim = victimOf(report)
  const rows: [name: string, value: string | number][] = [
    ['policy and balancer', `${report.policy}, ${report.balancer}`],
    ['files', report.files],
    ['bytes', `${report.bytes} (${MiB} MiB)`],
    ['parts', report.parts],
    ['PUTs that reached the object store', report.puts],
    ['  of these answered 503', report.answered503],
    ['  of these stored, connection dropped', report.connectionsDropped],
    ['retries of tasks', report.retries],
    [
      'tasks on the worker that was killed',
      report.workerKilled === null ? 'no kill' : report.tasksOnKilledWorker,
    ],
    ['  of these completed by other workers', report.tasksTakenOver],
    [
      `uploads in mid-file when the ${victim} was killed`,
      report.enginesKilled === 0 ? 'no kill' : report.midFileAtKill,
    ],
    [`parts recorded when the ${victim} was killed`, report.partsRecordedAtKill],
    ['  of these no longer recorded at the end', report.recordedPartsLost],
    ['parts PUT before that, not recorded, PUT again', report.partsPutAgainUnrecorded],
    ['parts PUT again after their completion was recorded', report.partsPutAgainAfterRecorded],
    ['uploads that did not complete', report.uploadsFailed],
    ['files whose stored bytes differ', report.filesThatDiffer],
    ...(report.cluster === null ? [] : clusterRowsOf(report.cluster)),
    ['wall time', `${(report.wallTimeMs / 1000).toFixed(1)} s`],
  ]
  const nameWidth = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => `${name.padEnd(nameWidth)}  ${value}`)
  const tables = [lines.join('\n'), shareTableOf(report.workers, report.workerKilled)]
  if (report.cluster !== null) tables.push(columnTable(nodeRowsOf(report.cluster)))
  return tables.join('\n\n')
}

/** What a directory with few large files means for the kill. */
export function remarkOf(report: Report): string | undefined {
  if (report.midFileWanted > 0) return undefined
  const rule = `fewer than ${midFileWanted} files of ${midFilePartsMin} parts or more`
  const happened =
    report.enginesKilled === 0
      ? `the uploads ended before the ${victimOf(report)} could be killed`
      : `the kill of the ${victimOf(report)} hit ${report.midFileAtKill} uploads in mid-file`
  return `The directory has ${rule}: ${happened}, and that does not count as a fault.`
}
