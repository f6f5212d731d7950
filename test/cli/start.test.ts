/** `perdure start`, `perdure nodes` and `perdure shards`, as processes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { connect, silentLogger } from '../../src/index.ts'
import { PostgresServer } from '../postgres/server.ts'
import { greet } from './start-definitions.ts'
import { ended, started } from './start-process.ts'
import { MAIN, perdure } from './store-fixture.ts'

const DEFINITIONS = join(import.meta.dirname, 'start-definitions.ts')

async function greeted(urls: readonly string[]): Promise<void> {
  const client = await connect(urls, { logger: silentLogger })
  try {
    const execution = await client.start(greet, 'ada')
    assert.equal(await execution.result(), 'HELLO ADA')
  } finally {
    await client.close()
  }
}

describe('perdure start', () => {
  let server: PostgresServer
  let directory = ''
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
    directory = mkdtempSync(join(tmpdir(), 'perdure-start-'))
  })
  after(() => server[Symbol.asyncDispose]())

  test('on a file: runs what the file of definitions exports, and ends in order', async () => {
    const store = `sqlite:${join(directory, 'alone.db')}`
    const engine = await started(['--workflows', DEFINITIONS, '--store', store, '--listen', '127.0.0.1:0'])
    await greeted(engine.urls)
    const { stdout } = await perdure(['nodes', '--json', '--url', engine.urls[0] ?? ''])
    assert.equal(JSON.parse(stdout).shards, 256)
    assert.equal(await ended(engine), 0)
  })

  test('--log-level counts over PERDURE_LOG_LEVEL', async () => {
    // Beyond loopback it warns.
    const open = ['--store', 'memory', '--listen', '0.0.0.0:0', '--insecure-listen-without-authentication']
    for (const [flags, level, isTold] of [
      [[], 'warn', true],
      [[], 'error', false],
      [['--log-level', 'silent'], 'debug', false],
      [['--log', 'warn'], 'silent', true],
    ] as const) {
      const engine = await started([...open, ...flags], { env: { PERDURE_LOG_LEVEL: level }, isHeard: true })
      assert.equal(await ended(engine), 0)
      assert.equal(engine.logged().includes('"level":"warn"'), isTold, `${flags} ${level}`)
    }
  })

  test('--no-metrics counts over the metrics of a file', async () => {
    const file = join(directory, 'observed.mjs')
    writeFileSync(file, `export default { store: 'memory', listen: '0', metrics: { targetWait: '5s' } }`)
    for (const [flags, status] of [
      [[], 200],
      [['--no-metrics'], 404],
    ] as const) {
      const engine = await started(['--config', file, ...flags])
      const url = `${(engine.urls[0] ?? '').replace('ws', 'http')}/metrics`
      assert.equal((await fetch(url)).status, status)
      assert.equal(await ended(engine), 0)
    }
  })

  test('--tracing, or a file, has executions keep the trace that they are started in', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const plain = join(directory, 'plain.mjs')
    const traced = join(directory, 'traced.mjs')
    writeFileSync(plain, `export default { store: 'memory', listen: '0' }`)
    writeFileSync(traced, `export default { store: 'memory', listen: '0', tracing: true }`)
    for (const [file, flags] of [
      [plain, ['--tracing']],
      [traced, []],
    ] as const) {
      const engine = await started(['--config', file, '--workflows', DEFINITIONS, ...flags])
      const executions = `${(engine.urls[0] ?? '').replace('ws', 'http')}/v1/executions`
      const headers = { 'content-type': 'application/json', traceparent }
      const body = JSON.stringify({ workflow: 'greet', input: 'ada', id: 'g-1' })
      assert.equal((await fetch(executions, { method: 'POST', headers, body })).status, 201)
      const history = await (await fetch(`${executions}/g-1/history`)).text()
      const { events } = JSON.parse(history)
      assert.deepEqual(events[0].event.trace, { traceparent })
      assert.equal(await ended(engine), 0)
    }
  })

  test('a configuration file, and the environment over it', async () => {
    writeFileSync(
      join(directory, 'perdure.config.mjs'),
      `export default { store: 'sqlite:configured.db', workflows: ${JSON.stringify(DEFINITIONS)}, listen: '0' }`,
    )
    const engine = await started([], { cwd: directory, env: { PERDURE_LISTEN: '127.0.0.1:0' } })
    await greeted(engine.urls)
    assert.equal(await ended(engine), 0)
    const { stdout } = await perdure([
      'list',
      '--json',
      '--store',
      `sqlite:${join(directory, 'configured.db')}`,
    ])
    assert.equal(JSON.parse(stdout).workflow, 'greet')
  })

  test('two processes on one database: a node each; one is drained, and both end in order', async () => {
    const { url: store } = await server.createDatabase()
    // Code that listens to its parent, as exit hooks do, keeps no process of a group alive.
    const hooked = join(directory, 'hooked.mjs')
    writeFileSync(
      hooked,
      `process.on('message', () => {})\nexport * from ${JSON.stringify(pathToFileURL(DEFINITIONS).href)}\n`,
    )
    const group = await started(
      ['--workflows', hooked, '--processes', '2', '--name', 'n', '--listen', '127.0.0.1:0'],
      { count: 2, env: { PERDURE_STORE: store } },
    )
    await greeted(group.urls)
    const url = group.urls[0] ?? ''
    const nodes = async (): Promise<{ node: string; shards: number; isDraining: boolean }[]> => {
      const { stdout, stderr, code } = await perdure(['nodes', '--json', '--url', url])
      assert.equal(code, 0, stderr)
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    }
    while ((await nodes()).some(({ shards }) => shards < 128)) {}
    const drained = await perdure(['nodes', 'drain', 'n-2', '--url', url])
    assert.match(drained.stdout, /n-2 has nothing any more/)
    assert.deepEqual(
      (await nodes()).map(({ node, shards, isDraining }) => [node, shards, isDraining]),
      [
        ['n-1', 256, false],
        ['n-2', 0, true],
      ],
    )
    const shards = await perdure(['shards', '--json', '--url', url])
    assert.equal(shards.stdout.trim().split('\n').length, 256)
    const missing = await perdure(['nodes', 'drain', 'n-9', '--url', url])
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /there is no node n-9; there are n-1, n-2/)
    await greeted(group.urls)
    assert.equal(await ended(group), 0)
  })

  test('processes that cannot start are given up: it says why, and ends with 1', async () => {
    const { url: store } = await server.createDatabase()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    try {
      const args = ['--workflows', DEFINITIONS, '--processes', '2', '--listen', `127.0.0.1:${port}`]
      const group = spawn(process.execPath, ['--conditions=perdure-source', MAIN, 'start', ...args], {
        env: { ...process.env, PERDURE_STORE: store, COLUMNS: '500' },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const [stderr, [code]] = await Promise.all([text(group.stderr), once(group, 'close')])
      assert.equal(code, 1)
      assert.match(
        stderr.replaceAll(/\s+/g, ' '),
        /process 1 cannot start: it ended 5 times in a row .* it says: .*is in use: end the process that listens there.* All processes end/,
      )
    } finally {
      taken.close()
    }
  })

  test('a node says where it listens, and where others reach it', async () => {
    const { url: store } = await server.createDatabase()
    const address = 'ws://localhost:7299'
    const engine = await started([
      ...['--workflows', DEFINITIONS, '--listen', '127.0.0.1:0', '--address', address],
      ...['--store', store, '--read-store', 'postgres://postgres@127.0.0.1:1/none'],
    ])
    assert.match(
      engine.said,
      new RegExp(`listens on ws://127\\.0\\.0\\.1:\\d+, others reach it at ${address} \\(`),
    )
    assert.equal(await ended(engine), 0)
  })

  test('what makes no sense is told, with a way out', async () => {
    const empty = join(directory, 'empty.mjs')
    writeFileSync(empty, 'export const nothing = 1\n')
    writeFileSync(join(directory, 'wrong.mjs'), 'export default { stor: 1 }\n')
    const cases: [string[], RegExp][] = [
      [[], /no store was named/],
      [['--store', 'memory', '--workflows', 'missing.ts'], /there is no file .*missing\.ts/],
      [['--store', 'memory', '--workflows', empty], /exports no workflow and no task/],
      [['--store', 'memory', '--listen', 'here'], /'here' is no address to listen on/],
      [['--store', 'memory', '--processes', '2'], /2 processes cannot share memory/],
      [['--store', 'memory', '--processes', 'many'], /processes is many/],
      [['--store', 'postgres://a:secret@h/d'], /a password on the command line is seen/],
      [['--store', 'memory', '--log', 'loud'], /--log is loud, none of debug, /],
      [['--store', 'memory', '--log-level', 'loud'], /--log-level is loud, none of debug, /],
      [['--store', 'memory', '--log-level', 'info', '--log', 'warn'], /--log-level is info, and --log warn/],
      [['--config', join(directory, 'wrong.mjs')], /has a setting 'stor'; there are store,/],
      [['--store', 'memory', '--coordinator', 'etcd://h'], /a coordinator is for the nodes of a cluster/],
      [['--store', 'memory', '--coordinator', 'consul://h'], /'consul:\/\/h' is no URL like etcd:/],
      [['--store', 'memory', '--coordinator', 'etcd://a:secret@h'], /has a user in its URL/],
      [['--store', 'memory', '--password-file', 'nowhere'], /the password file .*nowhere cannot be read/],
    ]
    for (const [args, message] of cases) {
      const { stderr, code } = await perdure(['start', ...args])
      assert.match(stderr.replaceAll(/\s+/g, ' '), message)
      assert.equal(code, 2, args.join(' '))
    }
  })

  test('each setting is looked at before anything starts, and the message says where it was given', async () => {
    const wrong: [name: string, value: unknown, RegExp][] = [
      ['store', 7, / is 7, not a text/],
      ['store', 'mysql://h/d', /'mysql:\/\/h\/d' names no store/],
      ['store', 'postgres://h:port/d', /'h:port' is no host with a port/],
      ['readStore', 'postgres://h/d', /is for a store on PostgreSQL/],
      ['postgres', { readConnections: 0 }, /is for a store on PostgreSQL/],
      ['workflows', [1], / is \[1\], not a path or a list of paths/],
      ['listen', 'here', /'here' is no address to listen on/],
      ['address', 'http://h', / is http:\/\/h, not a URL like wss:/],
      ['tls', { crt: 'x' }, /tls of the configuration is/],
      ['name', 7, /the name of the node is of type number, not a string/],
      ['weight', 0, / is 0, not a number above 0/],
      ['coordinator', 'zk://h', /'zk:\/\/h' is no URL like etcd:/],
      ['coordinator', 7, / is 7, not a URL like etcd:/],
      ['namespace', '', /the namespace is empty/],
      ['taskConcurrency', 1.5, / is 1\.5, not a whole number/],
      ['queues', [{ name: 'mail', concurency: 1 }], /queue mail has no setting 'concurency'/],
      ['queues', {}, /is not a list/],
      ['retention', 'soon', /"soon" is not a duration/],
      ['metrics', { targetWait: 0 }, /targetWait is 0, not more/],
      ['metrics', 'no', /metrics .* are not an object/],
      ['processes', 0, / is 0, not a whole number/],
    ]
    for (const [i, [name, value, message]] of wrong.entries()) {
      const file = join(directory, `wrong-${i}.mjs`)
      writeFileSync(file, `export default ${JSON.stringify({ store: 'memory', [name]: value })}\n`)
      const { stderr, code } = await perdure(['start', '--config', file])
      const said = stderr.replaceAll(/\s+/g, ' ')
      assert.match(said, message)
      assert.ok(said.includes(`${name} in ${file}`), said)
      assert.equal(code, 2, said)
    }
    const flags: [string[], Record<string, string>, RegExp][] = [
      [['--weight', 'heavy'], {}, /--weight is heavy, not a number above 0/],
      [[], { PERDURE_WEIGHT: '-1' }, /PERDURE_WEIGHT is -1, not a number above 0/],
      [['--retention', '3 days'], {}, /--retention: "3 days" is not a duration/],
      [[], { PERDURE_LOG_LEVEL: 'loud' }, /PERDURE_LOG_LEVEL is loud, none of debug, /],
      [['--concurrency', '0'], {}, /--concurrency is 0, not a whole number/],
    ]
    for (const [args, env, message] of flags) {
      const { stderr, code } = await perdure(['start', '--store', 'memory', ...args], { env })
      assert.match(stderr.replaceAll(/\s+/g, ' '), message)
      assert.equal(code, 2, args.join(' '))
    }
  })

  test('a file that cannot be loaded is named, with the place', async () => {
    const broken = join(directory, 'broken.mjs')
    writeFileSync(broken, "export default {\n  store: 'memory',\n  name = 'x',\n}\n")
    const typed = join(directory, 'broken.ts')
    writeFileSync(typed, 'export default {\n  store: 7 as as string,\n}\n')
    const throwing = join(directory, 'throwing.mjs')
    writeFileSync(throwing, "throw new Error('no secret here')\n")
    const importing = join(directory, 'importing.mjs')
    writeFileSync(importing, `import './broken.mjs'\nexport default { store: 'memory' }\n`)
    const importingTyped = join(directory, 'importing.ts')
    writeFileSync(importingTyped, `import './broken.ts'\nexport default { store: 'memory' }\n`)
    const cases: [string[], RegExp, number][] = [
      [['--config', broken], /broken\.mjs cannot be loaded: .*\(line 3\)/, 2],
      [['--config', typed], /broken\.ts cannot be loaded: .*\(line 2\)/, 2],
      [['--config', importingTyped], /importing\.ts cannot be loaded: .*\(\S+broken\.ts, line 2\)/, 2],
      [['--config', throwing], /throwing\.mjs cannot be loaded: no secret here/, 1],
      [['--config', importing], /importing\.mjs cannot be loaded: .*one that it imports/, 2],
      [['--store', 'memory', '--workflows', broken], /broken\.mjs cannot be loaded: .*\(line 3\)/, 2],
    ]
    for (const [args, message, expected] of cases) {
      const { stderr, code } = await perdure(['start', ...args], { columns: 1000 })
      assert.match(stderr.replaceAll(/\s+/g, ' '), message)
      assert.equal(code, expected, stderr)
    }
  })

  test('a password on the command line is refused by all commands', async () => {
    const url = 'postgres://a:secret@127.0.0.1:1/d'
    const lines = [
      ...['list', 'tasks', 'schedules', 'queues', 'people', 'doctor', 'start'].map((name) => [
        name,
        '--store',
        url,
      ]),
      ...['show', 'history'].map((name) => [name, 'order-1', '--store', url]),
      ['list', '--store', 'postgres://a@127.0.0.1:1/d?password=secret'],
      ['start', '--store', 'postgres://a@127.0.0.1:1/d', '--read-store', url],
      ['doctor', url],
      ['show', 'order-1', '--store', 'o.db', '--decrypt', 'key.pem', '--data-keys', url],
      ['start', '--store', 'memory', '--encryption-private-key', 'key.pem', '--data-keys', url],
    ]
    for (const line of lines) {
      const { stderr, code } = await perdure(line)
      assert.match(stderr, /a password on the command line is seen/, line.join(' '))
      assert.doesNotMatch(stderr, /secret/)
      assert.equal(code, 2)
    }
  })
})
