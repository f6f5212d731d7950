/** `perdure people`, on a file that an engine has written, and on an engine that runs. */
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createEngine, silentLogger } from '../../src/index.ts'
import { approving, asking, FORM, openTask, question } from '../people/people-fixtures.ts'
import { perdure, temporaryDirectory } from './store-fixture.ts'

const directory = temporaryDirectory()
const file = join(directory.path, 'people.db')
const settings = { workflows: [asking, approving], logger: silentLogger, shutdownGrace: 0 } as const

before(async () => {
  await using engine = await createEngine({ store: `sqlite:${file}`, ...settings })
  await engine.start(asking, { ...question, name: 'check', dueIn: '1h' }, { id: 'a' })
  await engine.start(
    approving,
    { title: 'Buy it', approvers: ['ann', { groups: ['it'] }], priority: 9 },
    { id: 'b' },
  )
  await openTask(engine.people, 'a')
  await openTask(engine.people, 'b')
})
after(() => directory.remove())

const titlesOf = (stdout: string): string[] =>
  stdout.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { title: string }).title]))

describe('perdure people, of a file', () => {
  test('all that is open, an inbox, and one execution', async () => {
    const titles = async (...args: string[]) =>
      titlesOf((await perdure(['people', ...args, '--json', '--store', file])).stdout)
    assert.deepEqual(await titles(), ['Buy it', 'Check the invoice'])
    assert.deepEqual(await titles('list', '--execution', 'a'), ['Check the invoice'])
    assert.deepEqual(await titles('inbox', '--as', 'ann'), ['Buy it'])
    assert.deepEqual(await titles('inbox', '--as', 'ann', '--group', 'finance'), [
      'Buy it',
      'Check the invoice',
    ])
    assert.deepEqual(await titles('list', '--namespace', 'other'), [])
    const one = await perdure(['people', '--limit', '1', '--json', '--store', file])
    assert.deepEqual(titlesOf(one.stdout), ['Buy it'])
    assert.match(one.stderr, /^There are more than 1: --limit N shows more\.$/m)
    assert.equal((await perdure(['people', '--limit', '2', '--store', file])).stderr, '')
    const { stdout } = await perdure(['people', '--store', file], { columns: 160 })
    assert.match(stdout, /Buy it +b +ann; any of it/)
    assert.match(
      (await perdure(['people', '--namespace', 'other', '--store', file])).stderr,
      /No human tasks/,
    )
  })

  test('what it cannot do is said', async () => {
    const says = async (args: string[], message: RegExp) => {
      const { code, stderr } = await perdure(['people', ...args, '--store', file])
      assert.equal(code, 2, args.join(' '))
      assert.match(stderr, message)
    }
    await says(['eat'], /nothing to do with human tasks/)
    await says(['inbox'], /--as is missing/)
    await says(['claim'], /ID is missing/)
    await says(['claim', 'x'], /--as is missing/)
    await says(['claim', 'x', '--as', 'ann'], /asks an engine, and none was named/)
    const old = join(directory.path, 'old.db')
    copyFileSync(join(import.meta.dirname, '../fixtures/store-v1.db'), old)
    assert.match(
      (await perdure(['people', '--store', old])).stderr,
      /schema version 1, and human tasks are read/,
    )
  })
})

describe('perdure people, of an engine that runs', () => {
  test('acts, shows, and says what the engine refuses', async () => {
    await using engine = await createEngine({ store: 'memory', ...settings })
    const { url } = await engine.listen()
    const execution = await engine.start(asking, { ...question, form: FORM, managers: { users: ['mia'] } })
    const id = await openTask(engine.people)
    const run = (...args: string[]) => perdure(['people', ...args, '--url', url])
    assert.match((await run('list')).stdout, /Check the invoice/)
    for (let i = 0; i < 3; i++) await engine.start(asking, question, { id: `more-${i}` })
    for (let i = 0; i < 3; i++) await openTask(engine.people, `more-${i}`)
    for (const line of [['list'], ['inbox', '--as', 'x', '--group', 'finance']]) {
      const two = await run(...line, '--limit', '2', '--json')
      assert.equal(titlesOf(two.stdout).length, 2)
      assert.match(two.stderr, /There are more than 2: --limit N shows more\./)
      const all = await run(...line, '--json')
      assert.deepEqual([titlesOf(all.stdout).length, all.stderr], [4, ''])
    }
    assert.match((await run('claim', id, '--as', 'ann', '--group', 'finance')).stdout, /claim is recorded/)
    const taken = await run('claim', id, '--as', 'bob', '--group', 'finance')
    assert.equal(taken.code, 1)
    assert.match(taken.stderr, /is claimed by ann/)
    await run('delegate', id, '--as', 'ann', '--to', 'bob', '--returns')
    await run('comment', id, '--as', 'bob', '--comment', 'mine for now')
    await run('send-back', id, '--as', 'bob', '--to', 'ann', '--reason', 'no time')
    await run('reassign', id, '--as', 'mia', '--to', 'cid')
    const wrong = await run('complete', id, '--as', 'cid', '--data', '{')
    assert.deepEqual([wrong.code, /is no JSON/.test(wrong.stderr)], [2, true])
    assert.match((await run('complete', id, '--as', 'cid', '--data', '{}')).stderr, /HUMAN_TASK_DATA_INVALID/)
    await run('complete', id, '--as', 'cid', '--data', '{"amount":3}')
    assert.deepEqual((await execution.result()).data, { amount: 3 })
    const { stdout } = await run('show', id)
    // Local, as everywhere.
    assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}/m)
    assert.doesNotMatch(stdout, /\dT\d\d:\d\d/)
    for (const shown of [
      /status +completed by cid/,
      /lent to bob/,
      /commented: mine for now/,
      /sent back to ann/,
      /reassigned to cid/,
    ])
      assert.match(stdout, shown)
  })
})
