/** `--watch`, on a terminal and into a pipe. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import { createEngine, type Engine, signal, silentLogger, workflow } from '../../src/index.ts'
import { perdure, temporaryDirectory } from './store-fixture.ts'

const go = signal('go')
const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(go) })
const directory = temporaryDirectory()
let engine: Engine
let url = ''
before(async () => {
  engine = await createEngine({ store: 'memory', logger: silentLogger, workflows: [waiting] })
  url = (await engine.listen({ port: 0 })).url
})
after(async () => {
  await engine.close()
  directory.remove()
})

interface Watching {
  /** Everything written so far, once it has what is looked for. */
  written(wanted: RegExp): Promise<string>
  /** The reader goes away. */
  end(): Promise<number>
}

function watching(args: readonly string[], isTTY: boolean): Watching {
  const stdout = Object.assign(new PassThrough(), { isTTY, columns: 100 })
  const stderr = new PassThrough()
  let seen = ''
  const heard: (() => void)[] = []
  for (const stream of [stdout, stderr])
    stream.on('data', (chunk) => {
      seen += chunk
      for (const wake of heard.splice(0)) wake()
    })
  const env = { PERDURE_URL: url, TERM: 'dumb' }
  const ended = runProgram(args, { stdout, stderr, env, directory: directory.path, nowMs: Date.now() })
  return {
    async written(wanted) {
      while (!wanted.test(seen)) await new Promise<void>((resolve) => heard.push(resolve))
      return seen
    },
    end() {
      stdout.emit('error', Object.assign(new Error('gone'), { code: 'EPIPE' }))
      return ended
    },
  }
}

describe('--watch', () => {
  test('into a pipe: each line when it is new or has changed', async () => {
    const first = await engine.start(waiting, undefined, { id: 'w-1' })
    const watch = watching(['list', '--watch', '--json'], false)
    await watch.written(/"w-1".*"running"/)
    await engine.start(waiting, undefined, { id: 'w-2' })
    await watch.written(/"w-2".*"running"/)
    await first.signal(go)
    await first.result()
    const all = await watch.written(/"w-1".*"completed"/)
    const told = all
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      told.map(({ id, status }) => [id, status]),
      [
        ['w-1', 'running'],
        ['w-2', 'running'],
        ['w-1', 'completed'],
      ],
    )
    assert.equal(await watch.end(), 0)
  })

  test('on a terminal: drawn again, with what has changed', async () => {
    const watch = watching(['list', '--watch', '--workflow', 'waiting'], true)
    await watch.written(/\[H.*perdure list --watch --workflow waiting, .*every 2 s[\s\S]*w-2 .*running/)
    await engine.start(waiting, undefined, { id: 'w-3' })
    const all = await watch.written(/w-3 .*running/)
    assert.ok(all.split('\u001b[H\u001b[J').length >= 3, all)
    assert.equal(await watch.end(), 0)
  })

  test('an engine that goes away is told, and looked for again', async () => {
    const away = await createEngine({ store: 'memory', logger: silentLogger, workflows: [waiting] })
    const listening = await away.listen({ port: 0 })
    await away.start(waiting, undefined, { id: 'before' })
    const watch = watching(['list', '--watch', '--json', '--url', listening.url], false)
    await watch.written(/"before"/)
    await away.close()
    await watch.written(/no engine has answered/)
    const port = Number(new URL(listening.url).port)
    await using back = await createEngine({ store: 'memory', logger: silentLogger, workflows: [waiting] })
    await back.listen({ port })
    await back.start(waiting, undefined, { id: 'after' })
    await watch.written(/no engine has answered[\s\S]*"after"/)
    assert.equal(await watch.end(), 0)
  })

  test('what cannot be watched is refused', async () => {
    const plain = await perdure(['list', '--watch', '--url', url])
    assert.match(plain.stderr, /--watch without --json is for a terminal/)
    const pause = await perdure(['queues', 'pause', 'mail', '--watch', '--json', '--url', url])
    assert.match(pause.stderr, /--watch does not repeat 'pause'/)
    const gone = await perdure(['queues', '--watch', '--json', '--store', 'nowhere.db'])
    assert.match(gone.stderr, /There is no file/)
    assert.deepEqual([plain.code, pause.code, gone.code], [2, 2, 1])
  })
})
