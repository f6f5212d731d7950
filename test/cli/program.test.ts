/** The program as a whole: help, wrong command lines, finding the store, colours, closed pipes. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { COMMANDS } from '../../src/cli/program.ts'
import {
  copyOf,
  damage,
  MAIN,
  makeOrders,
  perdure,
  perdureProcess,
  temporaryDirectory,
} from './store-fixture.ts'

const directory = temporaryDirectory()
let file = ''
before(async () => {
  file = await makeOrders(directory.path)
})
after(() => directory.remove())

describe('help and version', () => {
  test('perdure --help names every command', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { code, stdout, stderr } = await perdure(args)
      assert.equal(code, 0)
      assert.equal(stderr, '')
      for (const { name, summary } of COMMANDS) {
        assert.match(stdout, new RegExp(`^  ${name}`, 'm'))
        assert.ok(summary.length > 0)
      }
    }
  })

  for (const command of COMMANDS) {
    test(`perdure ${command.name} --help: usage, all options, examples; also help ${command.name}`, async () => {
      const { code, stdout } = await perdure([command.name, '--help'], { columns: 100 })
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`^Usage: perdure ${command.name}`))
      for (const option of Object.keys(command.options)) assert.ok(stdout.includes(`--${option}`), option)
      assert.ok(command.examples.length >= 2)
      for (const { line } of command.examples) assert.ok(stdout.includes(line), line)
      for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line)
      assert.equal((await perdure(['help', command.name], { columns: 100 })).stdout, stdout)
    })
  }

  test('--version is that of the package', async () => {
    const { default: manifest } = await import('../../package.json', { with: { type: 'json' } })
    assert.deepEqual(await perdureProcess(['--version']), {
      code: 0,
      stdout: `${manifest.version}\n`,
      stderr: '',
    })
  })
})

describe('a wrong command line', () => {
  const cases: [args: string[], says: RegExp][] = [
    [['lst'], /there is no command 'lst'\nDid you mean list\?/],
    [['dcotor'], /Did you mean doctor\?/],
    [['hist'], /Did you mean history\?/],
    [
      ['frobnicate'],
      /Commands: start, dev, list, show, history, run, result, watch, signal, query, update, cancel, terminate, retry, delete, bulk, tasks, schedules, queues, people, workers, nodes, shards, lb-config, audit, access, namespaces, events, webhooks, profile, completion, doctor\./,
    ],
    [['--json', 'list'], /'--json' stands before the command/],
    [['list', '--colour'], /there is no option --colour/],
    [['list', '--json=yes'], /--json/],
    [['show', 'a', 'b'], /'b' is one argument too many/],
    [['doctor', 'a.db', '--store', 'b.db'], /the file is named twice/],
    [['list', '--store', 'memory'], /a memory store lives in the process of its engine only/],
    [['list', '--store', 'mysql://x'], /'mysql:\/\/x' names no store/],
    [['list', '--store', 'sqlite:'], /'sqlite:' names no store/],
  ]
  for (const [args, says] of cases) {
    test(`perdure ${args.join(' ')} exits with 2`, async () => {
      const { code, stdout, stderr } = await perdure(args)
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.match(stderr, says)
    })
  }

  test('no command at all shows the help on standard error', async () => {
    const { code, stdout, stderr } = await perdure([])
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^Usage: perdure COMMAND/)
  })
})

describe('which store', () => {
  const empty = () => mkdtempSync(join(directory.path, 'empty-'))
  const rows = (stdout: string): number => stdout.trim().split('\n').length

  test('--store takes sqlite:PATH or a path, relative to the current directory', async () => {
    for (const store of ['sqlite:./orders.db', 'sqlite:orders.db', './orders.db', `sqlite:${file}`]) {
      const { code, stdout } = await perdure(['list', '--json', '--store', store], {
        directory: directory.path,
      })
      assert.deepEqual([code, rows(stdout)], [0, 11], store)
    }
  })

  test('PERDURE_STORE, which --store overrides', async () => {
    const env = { PERDURE_STORE: `sqlite:${file}` }
    assert.equal(rows((await perdure(['list', '--json'], { env })).stdout), 11)
    const { code, stderr } = await perdure(['list', '--store', 'nowhere.db'], {
      env,
      directory: directory.path,
    })
    assert.equal(code, 1)
    assert.match(stderr, /There is no file/)
  })

  test('the only store of the current directory; other databases do not count', async () => {
    const place = empty()
    copyFileSync(file, join(place, 'a.db'))
    damage(join(place, 'other.db'), 'create table t (a)')
    writeFileSync(join(place, 'text.db'), 'no database')
    mkdirSync(join(place, 'folder.db'))
    const { code, stdout } = await perdure(['list', '--json'], { directory: place })
    assert.deepEqual([code, rows(stdout)], [0, 11])
  })

  test('none, or more than one, is an error that says what to do', async () => {
    const none = await perdure(['list'], { directory: empty() })
    assert.equal(none.code, 2)
    assert.match(none.stderr, /holds no perdure\s+\*\.db\s+file[\s\S]*--store sqlite:PATH/)
    const place = empty()
    for (const name of ['a.db', 'b.db']) copyFileSync(file, join(place, name))
    const two = await perdure(['list'], { directory: place })
    assert.equal(two.code, 2)
    assert.match(two.stderr, /holds 2: a\.db, b\.db\n[\s\S]*--store sqlite:a\.db/)
  })

  test('no file, no directory, a directory, another application, garbage: exit code 1', async () => {
    const other = join(empty(), 'other.db')
    damage(other, 'create table t (a)')
    const garbage = join(empty(), 'garbage.db')
    writeFileSync(garbage, 'x'.repeat(20_000))
    const cases: [store: string, says: RegExp][] = [
      [join(directory.path, 'none.db'), /There is no file/],
      [join(directory.path, 'none/none.db'), /The directory .* does not exist/],
      [directory.path, /is not a file/],
      [other, /is a SQLite database of another\s+application/],
      [garbage, /is not a SQLite\s+database/],
    ]
    for (const [store, says] of cases) {
      const { code, stdout, stderr } = await perdure(['list', '--store', store], { columns: 300 })
      assert.deepEqual([code, stdout], [1, ''], store)
      assert.match(stderr, says)
      assert.doesNotMatch(stderr, /\.ts:\d/)
    }
  })
})

describe('the terminal', () => {
  const coloured = async (settings: { isTTY?: boolean; env?: Record<string, string> }): Promise<boolean> =>
    (await perdure(['list', '--store', file], settings)).stdout.includes('\u001b[')

  test('colour on a terminal only, and not with NO_COLOR', async () => {
    assert.equal(await coloured({ isTTY: true }), true)
    assert.equal(await coloured({}), false)
    assert.equal(await coloured({ isTTY: true, env: { NO_COLOR: '1' } }), false)
    assert.equal(await coloured({ isTTY: true, env: { TERM: 'dumb' } }), false)
  })

  test('a long list goes through a pipe whole; a reader that stops early ends the command quietly', async () => {
    const copy = copyOf(file, 'many')
    damage(
      copy,
      `with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
       insert into execution select day, substr(run_id, 1, 20) || printf('%06d', i), namespace, 'copy-' || i, shard,
         workflow, version, 'completed', 0, started_at, closed_at, attributes
       from n, (select * from execution where workflow_id = 'order-1')`,
    )
    const whole = await perdureProcess(['list', '--json', '--store', copy, '--limit', '30000'])
    assert.deepEqual([whole.code, whole.stderr, whole.stdout.trim().split('\n').length], [0, '', 20_011])
    const args = [MAIN, 'list', '--store', copy, '--limit', '20000']
    for (const json of [[], ['--json']]) {
      const child = spawn(process.execPath, [...args, ...json], { stdio: ['ignore', 'pipe', 'pipe'] })
      const closed = once(child, 'close')
      const stderr = text(child.stderr)
      await once(child.stdout, 'data')
      child.stdout.destroy()
      await closed
      assert.deepEqual([child.exitCode, await stderr], [0, ''])
    }
  })

  test('errors come without a stack, with one if PERDURE_DEBUG is 1', async () => {
    const args = ['show', 'nobody', '--store', file]
    const plain = await perdureProcess(args)
    assert.equal(plain.code, 1)
    assert.equal(plain.stdout, '')
    assert.doesNotMatch(plain.stderr, /\.ts:\d/)
    const debug = await perdureProcess(args, { env: { PERDURE_DEBUG: '1' } })
    assert.equal(debug.code, 1)
    assert.match(debug.stderr, /\.ts:\d/)
  })

  test('it starts without the libraries that few commands need', () => {
    const program = `
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, ...rest) => next(url, rest) })
      function next(url, [context, load]) {
        loaded.push(url)
        return load(url, context)
      }
      await import(${JSON.stringify(new URL('program.ts', pathToFileURL(MAIN)).href)})
      console.log(JSON.stringify(loaded))`
    const args = ['--input-type=module', '-e', program]
    const loaded: string[] = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
    assert.ok(loaded.some((url) => url.endsWith('/bulk-command.ts')))
    const libraries = /node_modules\/(typebox|fastify|pg|jose|@cedar-policy)\//
    assert.deepEqual(
      loaded.filter((url) => libraries.test(url)),
      [],
    )
  })
})
