/** What doctor can see without SQLite: Node, the file, the disk. */
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { expiringCertificates, expiryText } from '../../platform/certificate-expiry.ts'
import { TlsIdentity } from '../../platform/tls.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { CommandCall } from '../command.ts'
import { tlsOf } from '../tls-options.ts'
import { type Check, note, ok, problem } from './check.ts'

const LEAST_NODE = { major: 22, minor: 13 }
/** The log of an engine grows to 32 MiB between two checkpoints, and a checkpoint may need as much again. */
const LEAST_FREE_BYTES = 64 * 1024 * 1024

export function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const least = `${LEAST_NODE.major}.${LEAST_NODE.minor}`
  const isNew = major > LEAST_NODE.major || (major === LEAST_NODE.major && minor >= LEAST_NODE.minor)
  if (isNew) return ok('node', `Node ${version} (${least} or newer is needed)`)
  return problem('node', `Node ${version} is too old`, `Install Node ${least} or newer.`)
}

/** Those that `--tls-…` or the environment name: none, no check. */
export function certificateChecks(call: CommandCall): Check[] {
  const tls = tlsOf(call)
  if (tls === undefined) return []
  const advice =
    'Renew it: nodes, workers and clients refuse one that has expired. A running node takes the new file by itself.'
  try {
    const { current } = new TlsIdentity(tls, '--tls-cert, --tls-key, --tls-ca', () => {})
    const expiring = expiringCertificates(current, call.nowMs)
    if (expiring.length === 0) return [ok('certificates', 'none of those that are named expires soon')]
    return expiring.map((each) =>
      each.daysLeft < 0
        ? problem('certificates', expiryText(each), advice)
        : note('certificates', expiryText(each), advice),
    )
  } catch (error) {
    if (!(error instanceof PerdureError)) throw error
    return [problem('certificates', error.message, advice)]
  }
}

export async function sqliteCheck(): Promise<Check> {
  try {
    const { DatabaseSync } = await import('node:sqlite')
    const database = new DatabaseSync(':memory:')
    try {
      return ok('sqlite', `SQLite ${database.prepare('select sqlite_version() as version').get()?.version}`)
    } finally {
      database.close()
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return problem('sqlite', `node:sqlite is missing: ${why}`, 'Install Node 22.13 or newer.')
  }
}

/** `shown`: the file in the words of the user. */
export function fileChecks(file: string, shown: string): Check[] {
  if (!existsSync(file))
    return [
      problem(
        'file',
        `there is no file ${shown}`,
        'Correct the path; the engine makes the file when it starts.',
      ),
    ]
  const stat = statSync(file)
  if (!stat.isFile()) return [problem('file', `${shown} is not a file`, 'Correct the path.')]
  if (!isAllowed(file, constants.R_OK))
    return [problem('file', `${shown} cannot be read`, 'Run doctor as a user who may read the file.')]
  const log = existsSync(`${file}-wal`) ? `, its log ${sizeText(statSync(`${file}-wal`).size)}` : ''
  return [ok('file', `${shown}, ${sizeText(stat.size)}${log}`), directoryCheck(file), diskCheck(file)]
}

function directoryCheck(file: string): Check {
  const directory = dirname(file)
  if (isAllowed(file, constants.W_OK) && isAllowed(directory, constants.W_OK))
    return ok('directory', 'the file and its directory can be written')
  return note(
    'directory',
    'the file or its directory is read-only for this user',
    'An engine needs write access to both. For reading it does not matter.',
  )
}

function diskCheck(file: string): Check {
  const { bavail, bsize } = statfsSync(dirname(file))
  const freeBytes = bavail * bsize
  if (freeBytes >= LEAST_FREE_BYTES) return ok('disk', `${sizeText(freeBytes)} free`)
  return problem(
    'disk',
    `only ${sizeText(freeBytes)} free`,
    'Make room on the disk: an engine that cannot write stops. Retention of closed executions keeps a file small.',
  )
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`
}
