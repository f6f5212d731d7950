/** Backups taken while nodes work, and what nodes find on a database that was restored from one. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, silentLogger } from '../../src/index.ts'
import { debianProgram } from '../debian-program.ts'
import { type Acknowledged, AcknowledgedWork, SIGNAL_VALUE } from '../patroni/acknowledged-work.ts'
import { checkAcknowledged } from '../patroni/acknowledgement-check.ts'
import { availableVersions, type PostgresVersion } from './binaries.ts'
import { NodeProcess } from './cluster-nodes.ts'
import { expectedOf, go, parentOf } from './cluster-workload.ts'
import { PostgresServer } from './server.ts'

const CALLERS = 20
const WORK_MS = 1500

/** Debian keeps the programs of each major version in a folder of its own. A server of that version is backed up with them. */
const VERSIONS = '/usr/lib/postgresql'
const newest = (): string | undefined => {
  const known: readonly string[] = availableVersions().map(String)
  const found = existsSync(VERSIONS) ? readdirSync(VERSIONS).filter((name) => known.includes(name)) : []
  const version = found.sort((a, b) => Number(b) - Number(a))[0]
  return version === undefined ? undefined : join(VERSIONS, version, 'bin')
}
const programs = debianProgram(newest, 'postgresql-client')
if ('missing' in programs) console.log(`NOT RUN: backup and restore: ${programs.missing}`)

describe('a database that is brought back to an earlier time', { skip: 'missing' in programs }, () => {
  const binaries = 'path' in programs ? programs.path : ''
  const version = Number(binaries.split('/').at(-2)) as PostgresVersion

  function run(program: string, ...args: readonly string[]): void {
    const { status, stderr } = spawnSync(join(binaries, program), args, { encoding: 'utf8' })
    assert.equal(status, 0, `${program} ${args.join(' ')}:\n${stderr}`)
  }

  test('base backup under load, archived log, a restore point: all that was acknowledged before it is there, and goes on', async (t) => {
    using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-backup-'))
    // The server writes the archive, and it may be another user.
    chmodSync(folder.path, 0o777)
    const settings = documentedSettings('archive_mode', folder.path)
    await using server = await PostgresServer.start({ version, settings })
    const { name, url } = await server.createDatabase()
    const base = join(folder.path, 'base')
    const before = await underLoad(url, async (work) => {
      await sleep(WORK_MS)
      run('pg_basebackup', '--dbname', server.url(), '--pgdata', base, '--checkpoint', 'fast')
      await sleep(WORK_MS)
      const acknowledged = copyOf(work.started)
      await server.query("select pg_create_restore_point('before the mistake')")
      await sleep(WORK_MS)
      return acknowledged
    })
    await archiveAll(server)
    await server.stop('immediate')

    await using restored = await PostgresServer.restore(
      (data) => {
        run('pg_verifybackup', base)
        const { status } = spawnSync('cp', ['-a', base, data])
        assert.equal(status, 0)
        writeFileSync(join(data, 'recovery.signal'), '')
      },
      {
        version,
        settings: { archive_mode: 'off', ...documentedSettings('restore_command', folder.path) },
      },
    )
    while ((await restored.query('select pg_is_in_recovery() as standby'))[0]?.standby === true)
      await sleep(20)
    t.diagnostic(await goesOn(restored, name, before))
  })

  test('a dump under load: the same', async (t) => {
    await using server = await PostgresServer.start({ version })
    const { url } = await server.createDatabase()
    using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-backup-'))
    const file = join(folder.path, 'orders.dump')
    const before = await underLoad(url, async (work) => {
      await sleep(WORK_MS)
      const acknowledged = copyOf(work.started)
      run('pg_dump', '--dbname', url, '--format', 'custom', '--file', file)
      await sleep(WORK_MS)
      return acknowledged
    })
    await using restored = await PostgresServer.start({ version })
    const { name } = await restored.createDatabase()
    run('pg_restore', '--dbname', restored.url(name), '--exit-on-error', file)
    t.diagnostic(await goesOn(restored, name, before))
  })
})

/** Those of docs/deployment.md, in the block that begins with `first`, for an archive in this folder. */
function documentedSettings(first: string, folder: string): Record<string, string> {
  const page = readFileSync(join(import.meta.dirname, '../../docs/deployment.md'), 'utf8')
  const block: string | undefined = new RegExp(`\`\`\`ini\\n(${first} .*?)\`\`\``, 's').exec(page)?.[1]
  assert.ok(block !== undefined, `the docs have no settings that begin with ${first}`)
  assert.ok(block.includes('/backup/log/'), 'the docs have another archive')
  const lines = block.replaceAll('/backup/log/', `${folder}/`).matchAll(/^(\w+) = '(.*)'$/gm)
  return Object.fromEntries([...lines].map(([, name, value]) => [name, value]))
}

interface Before {
  /** What was acknowledged before the moment to which the database is brought back. */
  readonly acknowledged: ReadonlyMap<string, Acknowledged>
  /** What was ever. */
  readonly all: ReadonlyMap<string, Acknowledged>
}

function copyOf(started: ReadonlyMap<string, Acknowledged>): ReadonlyMap<string, Acknowledged> {
  return new Map([...started].map(([id, acknowledged]) => [id, { ...acknowledged }]))
}

/** Two nodes and their callers, until `meanwhile` is over; then the nodes are killed. */
async function underLoad(
  url: string,
  meanwhile: (work: AcknowledgedWork) => Promise<ReadonlyMap<string, Acknowledged>>,
): Promise<Before> {
  const nodes: NodeProcess[] = []
  try {
    for (const name of ['old-1', 'old-2']) nodes.push(await NodeProcess.start(url, name))
    const client = await connect(
      nodes.map((node) => node.url),
      { logger: silentLogger },
    )
    const work = new AcknowledgedWork(client, CALLERS)
    try {
      work.begin()
      const acknowledged = await meanwhile(work)
      await work.end()
      assert.deepEqual(work.errors, [])
      return { acknowledged, all: work.started }
    } finally {
      await client.close()
    }
  } finally {
    await Promise.all(nodes.map((node) => node.kill()))
  }
}

/** All of the log, up to now, is in the archive. */
async function archiveAll(server: PostgresServer): Promise<void> {
  const [last] = await server.query('select pg_walfile_name(pg_current_wal_lsn()) as file')
  await server.query('select pg_switch_wal()')
  for (;;) {
    const [archiver] = await server.query('select last_archived_wal as file from pg_stat_archiver')
    if (String(archiver?.file) >= String(last?.file)) return
    await sleep(20)
  }
}

/** New nodes on what was restored. Answers what was found. */
async function goesOn(server: PostgresServer, database: string, before: Before): Promise<string> {
  const query = (
    sql: string,
    values?: readonly unknown[],
  ): Promise<readonly Readonly<Record<string, unknown>>[]> => server.query(sql, values, database)
  const living = async (): Promise<unknown[]> =>
    (await query('select node from perdure.session where fenced_at is null order by node')).map(
      (row) => row.node,
    )
  assert.deepEqual(await living(), ['old-1', 'old-2'], 'the nodes of the old time look alive')
  const nodes: NodeProcess[] = []
  try {
    for (const name of ['new-1', 'new-2']) nodes.push(await NodeProcess.start(server.url(database), name))
    const client = await connect(
      nodes.map((node) => node.url),
      { logger: silentLogger },
    )
    let unknown = 0
    let goneOn = 0
    try {
      const finish = async ([id, { value, result }]: [string, Acknowledged]): Promise<void> => {
        const known = before.acknowledged.get(id)
        const execution = client.execution(parentOf, id)
        const found = await execution.describe().catch((error) => {
          assert.equal(error.code, 'EXECUTION_NOT_FOUND')
          return undefined
        })
        if (found === undefined) {
          assert.equal(known, undefined, `${id} was acknowledged before`)
          unknown += 1
        } else if (found.status === 'running') goneOn += 1
        if (known?.result !== undefined) assert.equal(found?.status, 'completed')
        // A caller that has not heard the end asks again, with the same ids.
        await client.start(parentOf, value, { id })
        await execution.signal(go, SIGNAL_VALUE, { requestId: `go-${id}` }).catch((error) => {
          assert.equal(error.code, 'EXECUTION_CLOSED')
        })
        assert.equal(await execution.result(), expectedOf(value, SIGNAL_VALUE))
        assert.equal(result, expectedOf(value, SIGNAL_VALUE))
      }
      await Promise.all([...before.all].map(finish))
    } finally {
      await client.close()
    }
    assert.ok(unknown > 0, 'some were started after that moment')
    assert.ok(goneOn > 0, 'some were under way in that moment')
    assert.deepEqual((await checkAcknowledged(query, before.all)).faults, [])
    assert.deepEqual(await living(), ['new-1', 'new-2'])
    const owners = await query(
      'select distinct node from perdure.shard join perdure.session on session.id = session_id order by node',
    )
    assert.deepEqual(
      owners.map(({ node }) => node),
      ['new-1', 'new-2'],
    )
    return `${before.acknowledged.size} acknowledged before, ${goneOn} went on, ${unknown} of later were not there`
  } finally {
    await Promise.all(nodes.map((node) => node.kill()))
  }
}
