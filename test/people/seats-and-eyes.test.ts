// One person, one voice: seats that are lent, four eyes over what was prepared, forms, and ids of requests.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { workflow } from '../../src/index.ts'
import { approving, asking, engineOf, FORM, failsWith, openTask } from './people-fixtures.ts'

const conflict = failsWith('HUMAN_TASK_CONFLICT')

describe('who has lent a seat', () => {
  const title = 'Buy it'
  const approvers = ['ann', { users: ['ann', 'cid'] }, 'bob']

  test('gets no other one: it comes back, and would be a second voice', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(approving, { title, approvers, rule: { votes: 2 } })
    const id = await openTask(people)
    await people.delegate(id, 'ann', 'dan', { returns: true })
    await assert.rejects(people.claim(id, 'ann'), conflict)
    await assert.rejects(people.approve(id, 'ann'), conflict)
    await assert.rejects(people.transfer(id, 'bob', 'ann'), conflict)
    await people.approve(id, 'dan')
    await people.approve(id, 'ann')
    await assert.rejects(people.approve(id, 'ann'), conflict)
    const { status, decisions } = await people.describe(id)
    assert.deepEqual(
      [status, decisions.map(({ by, preparedBy }) => [by, preparedBy])],
      ['open', [['ann', 'dan']]],
    )
    await people.approve(id, 'bob')
    assert.deepEqual(
      (await execution.result()).decisions.map(({ by }) => by),
      ['ann', 'bob'],
    )
  })

  test('may have that one back: taken, or sent', async () => {
    await using engine = await engineOf()
    const { people } = engine
    await engine.start(approving, { title, approvers })
    const id = await openTask(people)
    await people.delegate(id, 'ann', 'dan', { returns: true })
    await people.takeBack(id, 'ann')
    await people.delegate(id, 'ann', 'dan', { returns: true })
    await people.sendBack(id, 'dan', 'ann')
    assert.equal((await people.describe(id)).seats[0]?.holder, 'ann')
    await people.approve(id, 'ann')
  })

  test('may not take back what a manager has given to somebody else', async () => {
    await using engine = await engineOf()
    const { people } = engine
    await engine.start(asking, { title, assignee: 'ann', managers: { users: ['mgr'] } })
    const id = await openTask(people)
    await people.delegate(id, 'ann', 'bob')
    await people.reassign(id, 'mgr', 'cid')
    await assert.rejects(people.takeBack(id, 'ann'), conflict)
    // What cid gives away is his to take back; and it may go back to whoever had it before.
    await people.delegate(id, 'cid', 'dan')
    await people.takeBack(id, 'cid')
    await people.sendBack(id, 'cid', 'ann')
    await people.complete(id, 'ann')
  })
})

test('four eyes see who has prepared what is not decided yet', async () => {
  const both = workflow({
    name: 'both',
    run: (ctx) =>
      Promise.all([
        ctx.humanTask({ title: 'check', assignee: 'ann' }),
        ctx.humanTask({ title: 'release', candidateUsers: ['bob', 'cid'], fourEyes: 'check' }),
      ]),
  })
  await using engine = await engineOf({ workflows: [both] })
  const { people } = engine
  await engine.start(both, undefined)
  await openTask(people)
  const { tasks } = await people.list()
  const idOf = (name: string): string => tasks.find((each) => each.name === name)?.id ?? ''
  await people.delegate(idOf('check'), 'ann', 'bob', { returns: true })
  await people.complete(idOf('check'), 'bob', { data: 'prepared' })
  const fourEyes = failsWith('HUMAN_TASK_FORBIDDEN', /four eyes/)
  await assert.rejects(people.complete(idOf('release'), 'bob'), fourEyes)
  await assert.rejects(people.claim(idOf('release'), 'bob'), fourEyes)
  await people.complete(idOf('check'), 'ann')
  await assert.rejects(people.complete(idOf('release'), 'bob'), fourEyes)
  await people.complete(idOf('release'), 'cid')
})

test('what was prepared for a rejection does not fill in the form of a completion', async () => {
  await using engine = await engineOf()
  const { people } = engine
  const execution = await engine.start(asking, { title: 'Check', assignee: 'ann', form: FORM })
  const id = await openTask(people)
  const notFilledIn = failsWith('HUMAN_TASK_DATA_INVALID', /not filled in/)
  await people.delegate(id, 'ann', 'bob', { returns: true })
  await people.reject(id, 'bob', { data: { amount: 1 } })
  await assert.rejects(people.complete(id, 'ann'), notFilledIn)
  await people.delegate(id, 'ann', 'bob', { returns: true })
  await people.complete(id, 'bob', { data: { amount: 2 } })
  await people.complete(id, 'ann')
  assert.deepEqual((await execution.result()).data, { amount: 2 })
})

test('an id of a request of one person, or about one task, is not that of another', async () => {
  const two = workflow({
    name: 'two',
    run: (ctx) =>
      Promise.all([
        ctx.approval({ title: 'buy', approvers: ['ann', 'bob'] }),
        ctx.approval({ title: 'sell', approvers: ['ann', 'bob'] }),
      ]),
  })
  await using engine = await engineOf({ workflows: [two] })
  const { people } = engine
  await engine.start(two, undefined)
  await openTask(people)
  const { tasks } = await people.list()
  const [buy = '', sell = ''] = ['buy', 'sell'].map((name) => tasks.find((each) => each.name === name)?.id)
  const same = { requestId: 'r1' }
  await people.approve(buy, 'ann', same)
  await people.approve(buy, 'ann', same)
  await people.approve(sell, 'ann', same)
  await people.reject(buy, 'bob', same)
  await people.reject(buy, 'bob', same)
  const said = async (id: string) =>
    (await people.describe(id)).decisions.map(({ by, verdict }) => [by, verdict])
  assert.deepEqual(await said(buy), [
    ['ann', 'approved'],
    ['bob', 'rejected'],
  ])
  assert.deepEqual(await said(sell), [['ann', 'approved']])
})
