/** The packages of the peers: installed from the lockfile of this folder when the first one is wanted. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { acquireInstallLock } from '../../scripts/install-lock.mjs'
import type { SideName } from './peer-sides.ts'

const RESTATE_SERVER = '@restatedev/restate-server'

/** What each side needs, the one that gives its version first. */
export const PACKAGES: { readonly [side in SideName]: readonly string[] } = {
  'perdure-postgres': [],
  'perdure-sqlite': [],
  dbos: ['@dbos-inc/dbos-sdk'],
  restate: [RESTATE_SERVER, '@restatedev/restate-sdk', '@restatedev/restate-sdk-clients'],
  'pg-boss': ['pg-boss'],
  'graphile-worker': ['graphile-worker'],
  bullmq: ['bullmq', 'ioredis'],
}

/** Versions by package; without those that are not installed. */
export type Versions = ReadonlyMap<string, string>

/** The package that holds the server's program for this machine. */
export function restateBinaryPackage(): string {
  return `${RESTATE_SERVER}-${process.platform}-${process.arch}`
}

/** Installs what these sides lack. Answers what is there then; a package that could not be installed is said on `report`. */
export async function installedPackages(
  sides: readonly SideName[],
  report: (text: string) => void,
): Promise<{ readonly installed: Versions; readonly wanted: Versions }> {
  const wanted = wantedVersions()
  const needed = sides.flatMap((side) => neededPackages(side))
  const isComplete = (): boolean => missingPackages(needed, wanted, installedVersions(needed)).length === 0
  if (!isComplete()) {
    const lock = await acquireInstallLock(join(import.meta.dirname, '.install'))
    try {
      if (!isComplete()) install(report)
    } finally {
      lock.release()
    }
  }
  return { installed: installedVersions(needed), wanted }
}

export function neededPackages(side: SideName): readonly string[] {
  return side === 'restate' ? [...PACKAGES.restate, restateBinaryPackage()] : PACKAGES[side]
}

/** Those that are not there in the version that is asked for. */
export function missingPackages(needed: readonly string[], wanted: Versions, installed: Versions): string[] {
  return needed.filter(
    (name) => installed.get(name) === undefined || installed.get(name) !== wanted.get(name),
  )
}

function wantedVersions(): Versions {
  const { optionalDependencies } = JSON.parse(
    readFileSync(join(import.meta.dirname, 'package.json'), 'utf8'),
  ) as { optionalDependencies: { readonly [name: string]: string } }
  const binary: [string, string] = [restateBinaryPackage(), optionalDependencies[RESTATE_SERVER] ?? '']
  return new Map([...Object.entries(optionalDependencies), binary])
}

function installedVersions(names: readonly string[]): Versions {
  const versions = new Map<string, string>()
  for (const name of names) {
    const file = join(import.meta.dirname, 'node_modules', name, 'package.json')
    if (existsSync(file)) versions.set(name, String(JSON.parse(readFileSync(file, 'utf8')).version))
  }
  return versions
}

/** All are optional: a package that cannot be had does not keep the others from being installed. */
function install(report: (text: string) => void): void {
  report('installing the peers')
  const npm = process.env.npm_execpath
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=optional']
  const [command, before] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
  const done = spawnSync(command, [...before, ...args], { cwd: import.meta.dirname, encoding: 'utf8' })
  if (done.status !== 0)
    report(`npm ci in bench/peers failed: ${done.error?.message ?? ''}${done.stdout}${done.stderr}`)
}
