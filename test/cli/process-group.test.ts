// `perdure start --processes N`: what is started again, and what cannot start.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { runProcesses } from '../../src/cli/start/process-group.ts'

const directory = mkdtempSync(join(tmpdir(), 'perdure-group-'))
after(() => rmSync(directory, { recursive: true }))

/** A program that writes a line each time it begins. */
function program(name: string, text: string): { readonly path: string; readonly begun: () => number } {
  const path = join(directory, `${name}.mjs`)
  const marks = join(directory, `${name}.txt`)
  writeFileSync(
    path,
    `import { appendFileSync } from 'node:fs'\nappendFileSync(${JSON.stringify(marks)}, 'x')\n${text}`,
  )
  return { path, begun: () => (existsSync(marks) ? readFileSync(marks, 'utf8').length : 0) }
}

const WAITS = `process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)`
const READY = `process.send({ perdure: 'ready' })`
const FAILS = `process.send({ perdure: 'failed', why: 'the port is taken' }, () => process.exit(1))`

async function group(...programs: readonly { readonly path: string }[]) {
  const said: string[] = []
  const code = await runProcesses({
    count: programs.length,
    argsOf: (index) => [programs[index]?.path ?? ''],
    say: (text) => said.push(text),
    restartFirstMs: 10,
  })
  return { code, said }
}

/** As when the group is told to end, by somebody who sees what is so. */
async function endWhen(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20))
  process.emit('SIGTERM')
}

describe('a group of processes', { timeout: 120_000 }, () => {
  test('gives up what can never start, says why, and ends the others in order', async () => {
    const good = program('good', `${READY}; ${WAITS}`)
    const bad = program('bad', FAILS)
    const { code, said } = await group(good, bad)
    assert.equal(code, 1)
    assert.equal(bad.begun(), 5)
    assert.equal(good.begun(), 1)
    assert.deepEqual(
      said.map((text) => text.replace(/ in \d+ ms/, '')),
      [
        ...Array.from({ length: 4 }, () => 'process 2 ended (1): it is started again'),
        'process 2 cannot start: it ended 5 times in a row before it was ready (1); it says: the port is taken. All processes end.',
      ],
    )
  })

  test('gives up what ends without a word, too', async () => {
    const { code, said } = await group(program('mute', `process.kill(process.pid, 'SIGKILL'); ${WAITS}`))
    assert.equal(code, 1)
    assert.match(said.at(-1) ?? '', /cannot start: .* \(SIGKILL\); what it has said stands above/)
  })

  test('starts again for ever what was ready once, after pauses that grow', async () => {
    const flag = join(directory, 'was-ready')
    const once = program(
      'once',
      `import { existsSync, writeFileSync } from 'node:fs'
      if (existsSync(${JSON.stringify(flag)})) ${FAILS}
      else { writeFileSync(${JSON.stringify(flag)}, ''); process.send({ perdure: 'ready' }, () => process.exit(1)) }`,
    )
    const ending = endWhen(() => once.begun() >= 8)
    const { said } = await group(once)
    await ending
    const pauses = said.map((text) => Number(/in (\d+) ms/.exec(text)?.[1]))
    assert.deepEqual(pauses.slice(0, 7), [10, 20, 40, 80, 160, 320, 640])
  })

  test('gives up at once what a wrong command line was given to, and its exit code stays', async () => {
    const wrong = program('wrong', 'process.exit(2)')
    const slow = program('slow', 'setInterval(() => {}, 1000)')
    const { code } = await group(slow, wrong)
    assert.deepEqual([code, wrong.begun()], [2, 1])
  })

  test('that is told to end ends with all of its processes', async () => {
    const good = program('two', `${READY}; ${WAITS}`)
    const before = process.listenerCount('SIGTERM')
    const ending = endWhen(() => good.begun() === 2)
    assert.deepEqual(await group(good, good), { code: 0, said: [] })
    await ending
    assert.equal(process.listenerCount('SIGTERM'), before)
  })
})
