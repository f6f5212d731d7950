// Lists of tasks by what they are, and retries of all that a list would give.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEngine, task, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { double, FAULT_KINDS, faultAt, gate, until } from './task-fixtures.ts'

class NoPost extends Error {
  readonly code = 'NO_POST'
}

/** Fails until it is mended. */
function letters() {
  const world = { isMended: false, runs: 0 }
  const letter = task({
    name: 'letter',
    retry: { maxAttempts: 1 },
    run: (_, to: string) => {
      world.runs += 1
      if (world.isMended) return `sent to ${to}`
      throw to === 'ada' ? new NoPost('no post today') : new Error('no street')
    },
  })
  return { world, letter }
}

const untilQuiet = (engine: { readonly isQuiet: boolean }): Promise<void> => until(() => engine.isQuiet)

describe('listTasks', () => {
  test('finds tasks by key, owner, error code, time and id', async () => {
    using file = temporaryFile('tasks.db')
    const { letter } = letters()
    const { task: slow, open } = gate()
    const upload = workflow({ name: 'upload', run: (ctx) => ctx.task(slow, 'a', { key: 'bob' }) })
    await using engine = await createEngine({
      store: `sqlite:${file.path}`,
      tasks: [letter, double, slow],
      workflows: [upload],
      shutdownGrace: 0,
    })
    const from = new Date()
    await engine.enqueueMany(letter, ['ada', 'bob'], (to) => ({ id: `letter/${to}`, key: to }))
    await engine.enqueue(double, 1, { key: 'ada', id: 'double/1' })
    await engine.start(upload, undefined, { id: 'upload-1' })
    await until(() => open.length === 1)
    await until(async () => (await engine.listTasks({ status: ['failed'] })).tasks.length === 2)
    const ids = async (options: Parameters<typeof engine.listTasks>[0]): Promise<string[]> =>
      (await engine.listTasks(options)).tasks.map(({ id }) => (id.startsWith('~') ? '~' : id))
    assert.deepEqual(await ids({ key: 'ada' }), ['double/1', 'letter/ada'])
    assert.deepEqual(await ids({ key: 'bob' }), ['~', 'letter/bob'])
    assert.deepEqual(await ids({ owner: 'upload-1' }), ['~'])
    assert.deepEqual(await ids({ owner: 'upload-1', status: ['running'] }), ['~'])
    assert.deepEqual(await ids({ owner: 'upload-2', status: ['running'] }), [])
    assert.deepEqual(await ids({ errorCode: 'NO_POST' }), ['letter/ada'])
    assert.deepEqual(await ids({ idPrefix: 'letter/', status: ['failed'] }), ['letter/bob', 'letter/ada'])
    assert.deepEqual(await ids({ idPrefix: '~' }), ['~'])
    assert.equal((await ids({ enqueuedFrom: from })).length, 4)
    assert.deepEqual(await ids({ enqueuedTo: from }), [])
    await assert.rejects(
      engine.listTasks({ enqueuedFrom: new Date('never') }),
      /enqueuedFrom is not a valid time/,
    )
    await assert.rejects(engine.listTasks({ key: 5 as never }), /key is of type number, not a string/)
  })
})

describe('retryTasks', () => {
  test('retries the dead letters that it is asked for, each once, in pages', async () => {
    const { world, letter } = letters()
    await using engine = await createTestEngine({ tasks: [letter, double] })
    const people = Array.from({ length: 1_200 }, (_, i) => (i % 3 === 0 ? 'ada' : 'bob'))
    await engine.enqueueMany(letter, people, (to) => ({ key: to }))
    await engine.advance('1s')
    const cancelled = await engine.enqueue(double, 1, { delay: '1h' })
    await cancelled.cancel()
    assert.equal(world.runs, 1_200)
    assert.equal(await engine.retryTasks({ queue: 'elsewhere' }), 0)
    assert.equal(await engine.retryTasks({ errorCode: 'NO_POST' }), 400)
    await engine.advance('1s')
    // They have failed again, once each.
    assert.equal(world.runs, 1_600)
    world.isMended = true
    assert.equal(await engine.retryTasks({ name: 'letter', status: 'failed' }), 1_200)
    await engine.advance('1s')
    assert.equal((await engine.listTasks({ status: ['completed'], limit: 1000 })).tasks.length, 1000)
    assert.equal((await engine.listTasks({ status: ['failed'] })).tasks.length, 0)
    assert.equal(await engine.retryTasks({ status: ['cancelled', 'expired'] }), 1)
    assert.equal(await cancelled.result(), 2)
    await assert.rejects(
      engine.retryTasks({ status: 'completed' as never }),
      /retryTasks\(\): status is not a list of failed, cancelled, expired/,
    )
    await assert.rejects(engine.retryTasks({ limit: 5 } as never), /retryTasks\(\) has no option 'limit'/)
  })

  test('meets a single retry: nothing waits twice', async () => {
    using file = temporaryFile('tasks.db')
    const { world, letter } = letters()
    await using engine = await createEngine({ store: `sqlite:${file.path}`, tasks: [letter] })
    const handles = await engine.enqueueMany(letter, ['ada', 'bob', 'eve'])
    for (const handle of handles) await handle.result().catch(() => {})
    world.isMended = true
    world.runs = 0
    const counts = await Promise.all([
      engine.retryTasks(),
      ...handles.map((handle) =>
        handle.retry().then(
          () => 1,
          () => 0,
        ),
      ),
      engine.retryTasks(),
    ])
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      3,
    )
    assert.deepEqual(await Promise.all(handles.map((handle) => handle.result())), [
      'sent to ada',
      'sent to bob',
      'sent to eve',
    ])
    await untilQuiet(engine)
    assert.equal(world.runs, 3)
  })

  for (const kind of FAULT_KINDS)
    test(`${kind} at any commit: called again, all are retried`, async () => {
      for (let commit = 3; commit <= 6; commit++) {
        const { world, letter } = letters()
        await using engine = await createTestEngine({ tasks: [letter], faults: [faultAt(kind, commit)] })
        await engine.enqueueMany(letter, ['ada', 'bob'])
        await engine.advance('1s')
        world.isMended = true
        // What a crash has answered may be less than what is durable.
        while ((await engine.listTasks({ status: ['completed'] })).tasks.length < 2) {
          await engine.retryTasks()
          await engine.advance('1s')
        }
        const { tasks } = await engine.listTasks()
        assert.deepEqual(
          tasks.map(({ status }) => status),
          ['completed', 'completed'],
        )
      }
    })
})
