/** `perdure profile`, and which engine, namespace and token the commands take from it. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { parseCommandLine } from '../../src/cli/command.ts'
import { engineOf } from '../../src/cli/engine-choice.ts'
import { Output } from '../../src/cli/output.ts'
import { runProgram } from '../../src/cli/program.ts'
import { workersCommand } from '../../src/cli/workers-command.ts'
import { createEngine, type Engine, silentLogger } from '../../src/index.ts'
import { makeQueues, type ProgramResult, perdure, temporaryDirectory } from './store-fixture.ts'

const TOKEN = 'pk_first-token-of-a-test'
const directory = temporaryDirectory()
after(() => directory.remove())

let count = 0
interface Home {
  readonly file: string
  run(args: readonly string[], env?: Record<string, string>): Promise<ProgramResult>
}

/** Each has a file of profiles of its own. */
function newHome(): Home {
  const home = join(directory.path, `home-${++count}`)
  return {
    file: join(home, 'perdure', 'profiles.json'),
    run: (args, env = {}) =>
      perdure(args, { env: { XDG_CONFIG_HOME: home, ...env }, directory: directory.path, columns: 400 }),
  }
}

const lines = (stdout: string): Record<string, unknown>[] =>
  stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))

describe('perdure profile', () => {
  test('set, list, use and remove; the file is of mode 600, and the token is never shown', async () => {
    const { run, file } = newHome()
    writeFileSync(join(directory.path, 'key.txt'), `${TOKEN}\n`)
    const made = await run([
      'profile',
      'set',
      'prod',
      '--url',
      'wss://e.example:7233',
      '--token-file',
      'key.txt',
    ])
    assert.equal(made.code, 0, made.stderr)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(join(file, '..')).mode & 0o777, 0o700)
    assert.equal(JSON.parse(readFileSync(file, 'utf8')).profiles.prod.token, TOKEN)
    await run(['profile', 'set', 'dev', '--url', 'ws://127.0.0.1:7233', '--namespace', 'shop'])
    await run(['profile', 'use', 'dev'])
    const listed = await run(['profile', '--json'])
    assert.deepEqual(lines(listed.stdout), [
      {
        name: 'dev',
        url: 'ws://127.0.0.1:7233',
        namespace: 'shop',
        hasToken: false,
        tls: null,
        isInUse: true,
      },
      {
        name: 'prod',
        url: 'wss://e.example:7233',
        namespace: null,
        hasToken: true,
        tls: null,
        isInUse: false,
      },
    ])
    const table = await run(['profile', 'list'])
    assert.match(table.stdout, /^prod +wss:\/\/e\.example:7233 +yes/m)
    for (const { stdout, stderr } of [made, listed, table]) assert.ok(!`${stdout}${stderr}`.includes(TOKEN))
    await run(['profile', 'remove', 'dev'])
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
      profiles: { prod: { url: 'wss://e.example:7233', token: TOKEN } },
    })
  })

  test('a token from standard input, or from a variable; --no-token takes it away', async () => {
    const { run, file } = newHome()
    const tokenOf = (): unknown => JSON.parse(readFileSync(file, 'utf8')).profiles.p.token
    const stdout = new PassThrough()
    const env = { XDG_CONFIG_HOME: join(file, '../..') }
    const args = ['profile', 'set', 'p', '--url', 'ws://127.0.0.1:1', '--token-file', '-']
    const host = {
      stdout,
      stderr: stdout,
      env,
      directory: directory.path,
      nowMs: 0,
      stdin: PassThrough.from([TOKEN]),
    }
    assert.equal(await runProgram(args, host), 0)
    assert.equal(tokenOf(), TOKEN)
    await run(['profile', 'set', 'p', '--token-env', 'MY_KEY'], { MY_KEY: 'pk_another' })
    assert.equal(tokenOf(), 'pk_another')
    await run(['profile', 'set', 'p', '--no-token'])
    assert.equal(tokenOf(), undefined)
  })

  test('a file that others can read is refused, by every command that would use it', async () => {
    const { run, file } = newHome()
    await run(['profile', 'set', 'p', '--url', 'ws://127.0.0.1:1'])
    await run(['profile', 'use', 'p'])
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(file, mode)
      for (const args of [['profile'], ['workers'], ['profile', 'set', 'q', '--url', 'ws://127.0.0.1:1']]) {
        const { code, stderr } = await run(args)
        assert.equal(code, 2, stderr)
        assert.match(stderr, /others than its owner may use it \(mode 6\d\d\)\nchmod 600 .*profiles\.json/)
      }
    }
  })

  test('what makes no sense is told, with a way out', async () => {
    const { run, file } = newHome()
    await run(['profile', 'set', 'p', '--url', 'ws://127.0.0.1:1', '--token-env', 'K'], { K: TOKEN })
    const cases: [string[], RegExp][] = [
      [['profile', 'set', 'q'], /profile q is new: --url is missing/],
      [['profile', 'set', 'a b', '--url', 'ws://h'], /'a b' is no name of a profile/],
      [['profile', 'set', '__proto__', '--url', 'ws://h'], /is no name of a profile/],
      [['profile', 'set', 'q', '--url', 'ftp://h'], /is not a URL like ws:/],
      [['profile', 'set', 'q', '--url', 'wss://u:secret@h'], /holds a user or a password/],
      [
        ['profile', 'set', 'q', '--url', 'ws://h.example', '--token-env', 'K'],
        /is not sent to ws:\/\/h\.example/,
      ],
      [
        ['profile', 'set', 'q', '--url', 'http://h.example', '--token-env', 'K'],
        /is not sent to ws:\/\/h\.example/,
      ],
      [['profile', 'set', 'q', '--url', 'http://h', '--tls-ca', 'a.crt'], /is without TLS/],
      [['profile', 'set', 'q', '--url', 'ws://h', '--token-env', 'NONE'], /the variable NONE holds no token/],
      [['profile', 'set', 'q', '--url', 'ws://h', '--token-file', 'none.txt'], /none\.txt cannot be read/],
      [['profile', 'set', 'q', '--url', 'ws://h', '--tls-ca', 'a.crt'], /is without TLS/],
      [['profile', 'set', 'q', '--url', 'wss://h', '--tls-cert', 'a.crt'], /belong together/],
      [['profile', 'set', 'p', '--url', 'ws://127.0.0.1:2'], /has a token, and its URL is changed/],
      [
        ['profile', 'set', 'q', '--url', 'ws://h', '--token', 'x'],
        /there is no option --token\nDid you mean --token-file/,
      ],
      [['profile', 'use', 'toString'], /there is no profile 'toString'\nThere are p\./],
      [['profile', 'drop', 'p'], /'drop' is nothing to do with profiles/],
      [['workers', '--profile', 'none'], /there is no profile 'none'\nThere are p\./],
      [
        ['workers', '--profile', 'p', '--url', 'ws://127.0.0.1:2'],
        /--profile p is for ws:\/\/127\.0\.0\.1:1,/,
      ],
      [['workers'], /no engine was named\n.*perdure profile set/],
    ]
    for (const [args, says] of cases) {
      const { code, stderr } = await run(args, { K: TOKEN })
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
      assert.match(stderr, says)
      assert.doesNotMatch(stderr, /secret/)
    }
    writeFileSync(file, `{"profiles":{"p":{"url":"ws://h","token":"${TOKEN}"`)
    const damaged = await run(['profile'])
    assert.equal(damaged.code, 1)
    assert.match(damaged.stderr, /cannot be used: it is not JSON/)
    assert.ok(!damaged.stderr.includes(TOKEN))
  })
})

describe('the engine of a profile', () => {
  let engine: Engine
  let url = ''
  before(async () => {
    engine = await createEngine({
      store: 'memory',
      logger: silentLogger,
      queues: [{ name: 'of-the-engine' }],
    })
    url = (await engine.listen({ port: 0 })).url
  })
  after(() => engine.close())

  test('commands need no --url; --profile, PERDURE_PROFILE and the one in use', async () => {
    const { run } = newHome()
    await run(['profile', 'set', 'here', '--url', url])
    await run(['profile', 'set', 'gone', '--url', 'ws://127.0.0.1:1'])
    assert.equal((await run(['workers', '--json', '--profile', 'here'])).code, 0)
    assert.equal((await run(['workers', '--json'], { PERDURE_PROFILE: 'here' })).code, 0)
    await run(['profile', 'use', 'here'])
    for (const args of [['workers'], ['nodes'], ['shards'], ['queues'], ['people']])
      assert.equal((await run([...args, '--json'])).code, 0, args[0])
    // A flag counts over the environment, the environment over the profile.
    assert.equal((await run(['workers', '--profile', 'here'], { PERDURE_URL: 'ws://127.0.0.1:1' })).code, 0)
    assert.equal((await run(['workers', '--url', url], { PERDURE_PROFILE: 'gone' })).code, 0)
    assert.equal((await run(['workers'], { PERDURE_PROFILE: 'gone', PERDURE_URL: url })).code, 0)
  })

  test('a store that is named counts over the profile in use', async () => {
    const { run } = newHome()
    const file = await makeQueues(directory.path)
    await run(['profile', 'set', 'here', '--url', url])
    await run(['profile', 'use', 'here'])
    const named = async (args: string[], env: Record<string, string>): Promise<unknown[]> =>
      lines((await run(['queues', '--json', ...args], env)).stdout).map(({ queue }) => queue)
    assert.ok((await named([], {})).includes('of-the-engine'))
    assert.ok(!(await named([], { PERDURE_STORE: file })).includes('of-the-engine'))
    assert.ok(!(await named(['--store', file], {})).includes('of-the-engine'))
    assert.ok((await named(['--profile', 'here'], { PERDURE_STORE: file })).includes('of-the-engine'))
  })
})

describe('the token of a profile', () => {
  test('goes to its URL, and nowhere else', async () => {
    const { run, file } = newHome()
    const own = 'ws://127.0.0.1:7001'
    const other = 'ws://127.0.0.1:7002'
    await run(['profile', 'set', 'p', '--url', own, '--token-env', 'K'], { K: TOKEN })
    await run(['profile', 'use', 'p'])
    const tokenFor = (args: string[], env: Record<string, string> = {}): unknown => {
      const { options, operands } = parseCommandLine(workersCommand, args)
      const output = new Output({ stdout: new PassThrough(), stderr: new PassThrough(), env })
      const own = { XDG_CONFIG_HOME: join(file, '../..'), ...env }
      return engineOf({ options, operands, output, env: own, directory: directory.path, nowMs: 0 }).token
    }
    assert.equal(tokenFor([]), TOKEN)
    assert.equal(tokenFor(['--url', own]), undefined)
    assert.equal(tokenFor(['--url', own, '--profile', 'p']), TOKEN)
    assert.equal(tokenFor([], { PERDURE_TOKEN: 'pk_env' }), 'pk_env')
    assert.equal(tokenFor(['--profile', 'p'], { PERDURE_TOKEN: 'pk_env' }), TOKEN)
    assert.equal(tokenFor(['--token-file', 'key.txt'], { PERDURE_TOKEN: 'pk_env' }), TOKEN)
    assert.equal(tokenFor(['--url', other]), undefined)
    assert.equal(tokenFor([], { PERDURE_URL: other }), undefined)
    assert.equal(tokenFor([], { PERDURE_URL: other, PERDURE_PROFILE: 'p' }), undefined)
  })

  test('is what the engine sees', async () => {
    const { run } = newHome()
    const seen: (string | undefined)[] = []
    const server = createServer().on('upgrade', ({ headers }, socket) => {
      seen.push(headers.authorization)
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    try {
      await run(['profile', 'set', 'p', '--url', `ws://127.0.0.1:${address.port}`, '--token-env', 'K'], {
        K: TOKEN,
      })
      const { code, stderr } = await run(['workers', '--profile', 'p'])
      assert.equal(code, 1, stderr)
      assert.ok(!stderr.includes(TOKEN), stderr)
      assert.equal(seen[0], `Bearer ${TOKEN}`)
    } finally {
      server.close()
    }
  })
})
