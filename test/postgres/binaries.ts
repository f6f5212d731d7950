/**
 * The programs of PostgreSQL, versions 14 to 18: installed from the lockfile of this folder when the first one is wanted.
 *
 * They are copied out of the checkout, since the server runs as another user if we are root, who may not read it there.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { acquireInstallLock } from '../../scripts/install-lock.mjs'

const POSTGRES_VERSIONS = [14, 15, 16, 17, 18] as const

export type PostgresVersion = (typeof POSTGRES_VERSIONS)[number]

/** Versions that there are for this machine, oldest first. */
export function availableVersions(): PostgresVersion[] {
  const { optionalDependencies } = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8'))
  return POSTGRES_VERSIONS.filter((version) => packageOf(version) in optionalDependencies)
}

function packageOf(version: PostgresVersion): string {
  return `postgres-${version}-${process.platform}-${process.arch}`
}

/** Folder with `bin/initdb` and `bin/postgres`, which everybody may read. */
export async function postgresBinaries(version: PostgresVersion): Promise<string> {
  const name = packageOf(version)
  const source = join(import.meta.dirname, 'node_modules', name)
  if (!existsSync(join(source, 'package.json'))) await install(source)
  const { version: release } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  const target = join(tmpdir(), `perdure-${name}-${release}`)
  if (!existsSync(target)) copyBinaries(source, target)
  return target
}

/** Into a folder of its own, which then gets the name: of several processes one wins. */
function copyBinaries(source: string, target: string): void {
  const folder = mkdtempSync(`${target}-`)
  cpSync(join(source, 'native'), folder, { recursive: true })
  const links = JSON.parse(readFileSync(join(source, 'native', 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const link of links) {
    const at = join(folder, link.target.replace(/^native\//, ''))
    if (!existsSync(at)) symlinkSync(basename(link.source), at)
  }
  chmodSync(folder, 0o755)
  try {
    renameSync(folder, target)
  } catch (error) {
    rmSync(folder, { recursive: true })
    if (!existsSync(target)) throw error
  }
}

async function install(wanted: string): Promise<void> {
  const lock = await acquireInstallLock(join(import.meta.dirname, '.install'))
  try {
    if (existsSync(join(wanted, 'package.json'))) return
    console.error('Installing PostgreSQL (npm ci in test/postgres) ...')
    const npm = process.env.npm_execpath
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=optional']
    const [command, before] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
    const done = spawnSync(command, [...before, ...args], { cwd: import.meta.dirname, encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`npm ci in test/postgres failed:\n${done.stdout}\n${done.stderr}`)
    if (!existsSync(wanted))
      throw new Error(`there is no ${basename(wanted)}: npm has no PostgreSQL for this machine`)
  } finally {
    lock.release()
  }
}
