/** `perdure dev` as a process: code is changed, broken and mended while it runs. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { MAIN, perdure, temporaryDirectory, until } from './store-fixture.ts'

const INDEX = pathToFileURL(join(import.meta.dirname, '../../src/index.ts')).href
const directory = temporaryDirectory()
after(() => directory.remove())

interface Dev {
  readonly child: ChildProcess
  readonly url: string
  /** All that it has written, once this is in what came after the call before. */
  said(wanted: RegExp): Promise<string>
  end(signal?: NodeJS.Signals): Promise<number | null>
}

async function dev(cwd: string, args: readonly string[]): Promise<Dev> {
  const child = spawn(
    process.execPath,
    ['--conditions=perdure-source', MAIN, 'dev', '--listen', '127.0.0.1:0', ...args],
    {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let written = ''
  let from = 0
  const heard: (() => void)[] = []
  const hear = (): void => {
    for (const wake of heard.splice(0)) wake()
  }
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      written += chunk
      hear()
    })
  child.once('exit', hear)
  const said = async (wanted: RegExp): Promise<string> => {
    for (;;) {
      const match = wanted.exec(written.slice(from))
      if (match !== null) {
        from += match.index + match[0].length
        return match[0]
      }
      assert.equal(child.exitCode, null, written)
      await new Promise<void>((resolve) => heard.push(resolve))
    }
  }
  const url = /ws:\S+/.exec(await said(/listens on ws:\S+\n/))?.[0] ?? ''
  return {
    child,
    url,
    said,
    async end(signal = 'SIGINT') {
      const exit = once(child, 'exit')
      child.kill(signal)
      const [code] = (await exit) as [number | null]
      return code
    },
  }
}

const code = (word: string, step = 'say'): string => `
import { signal, workflow } from ${JSON.stringify(INDEX)}
import { words } from './lib/words.ts'
const go = signal('go')
export const greet = workflow({ name: 'greet', run: (ctx, name: string) => ctx.step('${step}', () => words() + ' ${word} ' + name) })
export const wait = workflow({ name: 'wait', run: async (ctx) => {
  const first = await ctx.step('first', () => '${word}')
  await ctx.waitFor(go)
  return first + ' then ' + (await ctx.step('second', () => '${word}'))
} })
`

function project(): string {
  const place = mkdtempSync(join(directory.path, 'project-'))
  const library = join(place, 'lib')
  mkdirSync(library)
  writeFileSync(join(library, 'words.ts'), `export const words = (): string => 'oh'\n`)
  writeFileSync(join(place, 'greet.ts'), code('hello'))
  return place
}

/** Ids of processes whose command line has this text. */
function processesOf(text: string): string[] {
  return readdirSync('/proc').filter((id) => {
    if (!/^\d+$/.test(id) || Number(id) === process.pid) return false
    try {
      return readFileSync(join('/proc', id, 'cmdline'), 'utf8').includes(text)
    } catch {
      // It has ended meanwhile.
      return false
    }
  })
}

describe('perdure dev', () => {
  test('changed code is run, an execution goes on, bad code is told and mended; nothing is left', async () => {
    const place = project()
    const running = await dev(place, ['greet.ts'])
    const { url, said } = running
    const at = async (...args: string[]): Promise<string> => {
      const { stdout, stderr, code } = await perdure([...args, '--url', url])
      assert.equal(code, 0, stderr)
      return stdout.trim()
    }
    const greeted = (): Promise<string> => at('run', 'greet', '--input', '"ada"', '--wait')
    await said(/http:\S+\/docs\n/)
    await said(/the worker runs greet, wait\n {2}perdure run greet --input JSON --wait --url ws:\S+\n/)
    assert.ok(existsSync(join(place, '.perdure/dev.db')))
    assert.equal((await fetch(`${url.replace('ws', 'http')}/docs`)).status, 200)
    assert.equal(await greeted(), "'oh hello ada'")
    await at('run', 'wait', '--id', 'w')
    await until(async () => (await at('history', 'w', '--json')).includes('"first"'))

    writeFileSync(join(place, 'greet.ts'), code('hi'))
    await said(/changed: the worker runs greet, wait\n/)
    assert.equal(await greeted(), "'oh hi ada'")
    // What was recorded stays; what comes after is of the new code.
    await at('signal', 'w', 'go')
    assert.equal(await at('result', 'w'), "'hello then hi'")

    writeFileSync(join(place, 'greet.ts'), 'export const = 1\n')
    await said(/greet\.ts cannot be loaded: [\s\S]*\(line 1\)[\s\S]*begins anew when a file changes/)
    assert.match(await at('list', '--json'), /"w"/)
    writeFileSync(join(place, 'greet.ts'), code('welcome'))
    await said(/changed: the worker runs/)
    assert.equal(await greeted(), "'oh welcome ada'")

    // Imported, in a directory below.
    writeFileSync(join(place, 'lib/words.ts'), `export const words = (): string => 'ah'\n`)
    await said(/changed: the worker runs/)
    assert.equal(await greeted(), "'ah welcome ada'")

    assert.ok(processesOf(place).length > 0)
    assert.equal(await running.end('SIGINT'), 0)
    assert.deepEqual(processesOf(place), [])

    const again = await dev(place, ['greet.ts'])
    const { stdout } = await perdure(['result', 'w', '--url', again.url])
    assert.equal(stdout.trim(), "'hello then hi'")
    assert.equal(await again.end('SIGTERM'), 0)
    assert.deepEqual(processesOf(place), [])
  })

  test('a worker that ends by itself is told; when dev is killed, the worker ends too', async () => {
    const place = project()
    writeFileSync(
      join(place, 'greet.ts'),
      `${code('x')}\nsetTimeout(() => { throw new Error('out of paper') }, 500)\n`,
    )
    const running = await dev(place, ['greet.ts', '--store', 'memory'])
    await running.said(/the worker has ended \(exit code \d+\): it begins anew when a file changes/)
    writeFileSync(join(place, 'greet.ts'), code('y'))
    await running.said(/the worker runs greet/)
    assert.ok(!existsSync(join(place, '.perdure')))
    await running.end('SIGKILL')
    await until(async () => processesOf(place).length === 0)
  })

  test('what makes no sense is told, with a way out', async () => {
    const cases: [string[], RegExp][] = [
      [['dev'], /FILE is missing/],
      [['dev', 'no-such-file.ts'], /there is no file \S*no-such-file\.ts/],
      [['dev', import.meta.filename, 'none.ts'], /there is no file \S*none\.ts/],
      [['dev', 'a.ts', '--listen', '0.0.0.0:1'], /0\.0\.0\.0 is not only for this machine/],
      [['dev', import.meta.filename, '--store', 'postgres://h/d'], /does not take the store/],
    ]
    for (const [args, says] of cases) {
      const { code, stderr } = await perdure(args, { columns: 300 })
      assert.match(stderr, says)
      assert.equal(code, 2)
    }
  })
})
