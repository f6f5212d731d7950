/** What a Patroni cluster is made of, from Debian's packages. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { debianProgram } from '../debian-program.ts'

/** The interface of etcd that Patroni uses. */
export type EtcdApi = 2 | 3

export interface PatroniPrograms {
  readonly etcd: string
  readonly patroni: string
  readonly patronictl: string
  /** Folder of PostgreSQL's own programs. */
  readonly postgres: string
  readonly etcdApi: EtcdApi
}

/** Where Debian keeps each major version of PostgreSQL. */
const VERSIONS = '/usr/lib/postgresql'

/** The programs, or why they are not here. */
export function patroniPrograms(): PatroniPrograms | { readonly missing: string } {
  const postgres = debianProgram(newestPostgres, 'postgresql')
  if ('missing' in postgres) return postgres
  const etcd = debianProgram('/usr/bin/etcd', 'etcd-server')
  if ('missing' in etcd) return etcd
  const patroni = debianProgram('/usr/bin/patroni', 'patroni')
  if ('missing' in patroni) return patroni
  return {
    etcd: etcd.path,
    patroni: patroni.path,
    patronictl: '/usr/bin/patronictl',
    postgres: postgres.path,
    etcdApi: safeEtcdApi(patroni.path),
  }
}

/**
 * Patroni before 3.0.3 (that of Debian 12) puts a leader whose lease has run out into etcd 3 without looking whether there is
 * another one by now: a primary that stood still takes the lead back, and what its successor has acknowledged is lost. With
 * etcd 2 it looks.
 */
function safeEtcdApi(patroni: string): EtcdApi {
  const said = execFileSync(patroni, ['--version'], { encoding: 'utf8' })
  const [, major, minor, patch] = /(\d+)\.(\d+)\.(\d+)/.exec(said) ?? []
  if (major === undefined) throw new Error(`no version of Patroni: ${said}`)
  const version = Number(major) * 1_000_000 + Number(minor) * 1000 + Number(patch)
  return version < 3_000_003 ? 2 : 3
}

function newestPostgres(): string | undefined {
  if (!existsSync(VERSIONS)) return undefined
  const folders = readdirSync(VERSIONS)
    .filter((name) => existsSync(join(VERSIONS, name, 'bin', 'postgres')))
    .sort((a, b) => Number(b) - Number(a))
  return folders[0] === undefined ? undefined : join(VERSIONS, folders[0], 'bin')
}
