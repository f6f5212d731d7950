/** Commands about executions, at an engine that runs: run, result, watch, signal, query, update, cancel and the like. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import {
  createEngine,
  type Engine,
  NonRetryableError,
  query,
  signal,
  silentLogger,
  update,
  workflow,
} from '../../src/index.ts'
import { type ProgramResult, perdure, temporaryDirectory } from './store-fixture.ts'

const approved = signal<string>('approved')
const progress = query<string, string>('progress')
const add = update<number, number>('add')
let isMended = false

const order = workflow({
  name: 'order',
  run: async (ctx, { total = 0 }: { total?: number } = {}) => {
    let sum = total
    ctx.onQuery(progress, (of) => `${of ?? 'all'}: ${sum}`)
    ctx.onUpdate(add, (more) => {
      sum += more
      return sum
    })
    const by = await ctx.waitFor(approved)
    return { by, sum }
  },
})
const flaky = workflow({
  name: 'flaky',
  version: '2',
  run: (ctx) =>
    ctx.step('print', () => {
      if (!isMended) throw new NonRetryableError('the printer is on fire')
      return 'printed'
    }),
})

const directory = temporaryDirectory()
let engine: Engine
let url = ''
before(async () => {
  engine = await createEngine({ store: 'memory', logger: silentLogger, workflows: [order, flaky] })
  url = (await engine.listen({ port: 0 })).url
})
after(async () => {
  await engine.close()
  directory.remove()
})

const at = (args: readonly string[]): Promise<ProgramResult> =>
  perdure(args, { env: { PERDURE_URL: url }, directory: directory.path, columns: 200 })

async function fine(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await at(args)
  assert.equal(code, 0, stderr)
  return stdout
}

const jsonOf = async (...args: readonly string[]): Promise<Record<string, unknown>[]> =>
  (await fine(...args, '--json')).split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))

describe('an execution, from start to end', () => {
  test('run, query, update, signal, result, list, show, history and watch', async () => {
    assert.equal(
      await fine('run', 'order', '--id', 'o-1', '--input', '{"total":3}', '--attribute', 'n=7'),
      'o-1\n',
    )
    const [again] = await jsonOf('run', 'order', '--id', 'o-1')
    const [listed] = await jsonOf('list', '--workflow', 'order')
    assert.equal(again?.runId, listed?.runId)
    assert.partialDeepStrictEqual(listed, { id: 'o-1', status: 'running', attributes: { n: 7 } })
    assert.equal(await fine('query', 'o-1', 'progress', '--input', '"half"'), "'half: 3'\n")
    assert.deepEqual(await jsonOf('update', 'o-1', 'add', '--input', '4', '--update-id', 'u'), [
      { result: 7 },
    ])
    assert.deepEqual(await jsonOf('update', 'o-1', 'add', '--input', '4', '--update-id', 'u'), [
      { result: 7 },
    ])
    assert.match(await fine('show', 'o-1'), /status +running[\s\S]*Input\n {2}\{ total: 3 \}/)
    const watched = jsonOf('watch', 'o-1')
    assert.match(
      await fine('signal', 'o-1', 'approved', '--input', '"ann"'),
      /o-1 has got the signal approved/,
    )
    assert.deepEqual(await jsonOf('result', 'o-1'), [
      { id: 'o-1', status: 'completed', result: { by: 'ann', sum: 7 } },
    ])
    assert.equal(await fine('result', 'o-1'), "{ by: 'ann', sum: 7 }\n")
    const history = await jsonOf('history', 'o-1')
    assert.deepEqual(await watched, history)
    assert.partialDeepStrictEqual(history.at(-1), { event: { type: 'execution-completed' } })
    assert.deepEqual(await jsonOf('history', 'o-1', '--after', '2'), history.slice(2))
    assert.match(
      await fine('watch', 'o-1'),
      /SEQ +TIME[\s\S]*1 .*execution-started[\s\S]*execution-completed/,
    )
    const [shown] = await jsonOf('show', 'o-1')
    assert.partialDeepStrictEqual(shown, {
      status: 'completed',
      input: { total: 3 },
      result: { by: 'ann', sum: 7 },
    })
    assert.equal(shown?.events, history.length)
    await fine('delete', 'o-1')
    const gone = await at(['show', 'o-1'])
    assert.deepEqual([gone.code, gone.stdout], [1, ''])
    assert.match(gone.stderr, /EXECUTION_NOT_FOUND|there is no/)
  })

  test('input from a file and from standard input; --wait prints the result', async () => {
    writeFileSync(join(directory.path, 'order.json'), '{"total":5}')
    const waited = jsonOf('run', 'order', '--id', 'o-2', '--input', '@order.json', '--wait')
    while ((await at(['signal', 'o-2', 'approved', '--input', '"bob"'])).code !== 0) {}
    assert.deepEqual(await waited, [{ id: 'o-2', status: 'completed', result: { by: 'bob', sum: 5 } }])
    const stdout = new PassThrough()
    const written = text(stdout)
    const host = { stdout, stderr: new PassThrough(), env: { PERDURE_URL: url }, directory: directory.path }
    const args = ['run', 'order', '--id', 'o-3', '--input', '-']
    assert.equal(
      await runProgram(args, { ...host, nowMs: Date.now(), stdin: PassThrough.from(['{"total"', ':9}']) }),
      0,
    )
    stdout.end()
    assert.equal(await written, 'o-3\n')
    assert.deepEqual(await jsonOf('query', 'o-3', 'progress'), [{ result: 'all: 9' }])
  })

  test('one that fails: exit code 1 and why; retry continues it', async () => {
    const failed = await at(['run', 'flaky', '--version', '2', '--id', 'f-1', '--wait'])
    assert.deepEqual([failed.code, failed.stdout], [1, ''])
    assert.match(failed.stderr, /execution f-1 failed: .*the printer is on fire/)
    const { code, stdout } = await at(['result', 'f-1', '--json'])
    assert.equal(code, 1)
    assert.partialDeepStrictEqual(JSON.parse(stdout), {
      id: 'f-1',
      status: 'failed',
      error: { code: 'EXECUTION_FAILED' },
    })
    isMended = true
    assert.match(await fine('retry', 'f-1'), /execution f-1 goes on/)
    assert.deepEqual(await jsonOf('result', 'f-1'), [{ id: 'f-1', status: 'completed', result: 'printed' }])
  })

  test('cancel and terminate, with a reason', async () => {
    for (const [verb, status] of [
      ['cancel', 'cancelled'],
      ['terminate', 'terminated'],
    ] as const) {
      await fine('run', 'order', '--id', verb)
      await fine(verb, verb, '--reason', 'the customer called')
      const { code, stderr } = await at(['result', verb])
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`was ${status}: the customer called`))
    }
    assert.deepEqual(
      (await jsonOf('list', '--status', 'cancelled')).map(({ id }) => id),
      ['cancel'],
    )
  })

  test('lists of an engine: pages, attributes, another namespace', async () => {
    for (let i = 0; i < 5; i++) await fine('run', 'order', '--id', `page-${i}`, '--attribute', `n=${i % 2}`)
    const first = await at(['list', '--json', '--limit', '2', '--attribute', 'n=0'])
    const cursor = /--cursor (\S+)/.exec(first.stderr)?.[1] ?? ''
    const rest = await jsonOf('list', '--attribute', 'n=0', '--cursor', cursor)
    const ids = [
      ...first.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      ...rest,
    ].map(({ id }) => id)
    assert.deepEqual(ids, ['page-4', 'page-2', 'page-0'])
    assert.deepEqual(await jsonOf('list', '--namespace', 'other'), [])
  })

  test('what makes no sense is told, with a way out', async () => {
    const cases: [string[], RegExp, number][] = [
      [['run', 'order', '--input', '{total'], /--input \{total is no JSON\nSuch as --input/, 2],
      [['run', 'order', '--input', '@none.json'], /none\.json cannot be read/, 2],
      [['run', 'order', '--on-conflict', 'replace'], /replace/, 2],
      [['run', 'order', '--delay', 'soon'], /"soon" is not a duration/, 1],
      [['run', 'order', '--attribute', 'x'], /--attribute x is not of the form NAME=VALUE/, 2],
      [['run', 'order', '--id', 'f-1', '--on-conflict', 'fail'], /f-1/, 1],
      [['signal', 'o-1'], /SIGNAL is missing/, 2],
      [['signal', 'nobody', 'approved'], /nobody/, 1],
      [['cancel', 'o-1', '--run', 'x'], /'x' is not a run id/, 1],
      [['show', 'o-1', '--url', url, '--store', 'x.db'], /a store and an engine are named/, 2],
    ]
    for (const [args, says, expected] of cases) {
      const { code, stdout, stderr } = await at(args)
      assert.deepEqual([code, stdout], [expected, ''], `${args.join(' ')}: ${stderr}`)
      assert.match(stderr, says)
    }
  })
})
