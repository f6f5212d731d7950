/** Approvals: several approvers, together or one after another. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ApprovalOptions } from '../../src/index.ts'
import type { TestEngine } from '../../src/testing.ts'
import { ann, approving, boss, changesOf, engineOf, failsWith, openTask } from './people-fixtures.ts'

const THREE = ['ann', 'bob', 'cid']

async function begun(engine: TestEngine, options: Partial<ApprovalOptions>) {
  const execution = await engine.start(approving, { title: 'Buy it', approvers: THREE, ...options })
  return { execution, id: await openTask(engine.people), people: engine.people }
}

type Rule = NonNullable<ApprovalOptions['rule']>

/** Votes in order: `+ann` approves, `-bob` rejects; what it came to after how many. */
const CASES: readonly [rule: Rule, votes: string, approved: boolean][] = [
  ['all', '+ann +bob +cid', true],
  ['all', '+ann -bob', false],
  ['any', '-ann +bob', true],
  ['any', '-ann -bob -cid', false],
  ['majority', '+ann -bob +cid', true],
  ['majority', '-ann +bob -cid', false],
  ['majority', '+ann +bob', true],
  [{ votes: 2 }, '-ann +bob +cid', true],
  [{ votes: 2 }, '-ann -bob', false],
  [{ ratio: 0.6 }, '+ann +bob', true],
  [{ ratio: 0.6 }, '-ann -bob', false],
  [{ ratio: 0.7 }, '+ann +bob +cid', true],
  [{ ratio: 0.7 }, '-ann', false],
  [{ ratio: 1 / 3 }, '-ann -bob +cid', true],
]

describe('rules', () => {
  for (const order of ['parallel', 'sequence'] as const)
    for (const [rule, votes, approved] of CASES)
      test(`${JSON.stringify(rule)} ${order}: ${votes} is ${approved}`, async () => {
        await using engine = await engineOf()
        const { execution, id, people } = await begun(engine, { rule, order })
        const all = votes.split(' ')
        for (const [i, vote] of all.entries()) {
          assert.equal((await people.describe(id)).status, 'open', `after ${i} votes`)
          const user = vote.slice(1)
          if (vote.startsWith('+')) await people.approve(id, user)
          else await people.reject(id, user, { comment: 'too dear' })
        }
        const result = await execution.result()
        assert.equal(result.approved, approved)
        assert.deepEqual(
          result.decisions.map(({ by, approved: yes }) => `${yes ? '+' : '-'}${by}`),
          all,
        )
      })
})

describe('one after another', () => {
  test('each is in the inbox of the one whose turn it is', async () => {
    await using engine = await engineOf()
    const { id, people, execution } = await begun(engine, { order: 'sequence' })
    const inboxes = async () => {
      const sizes = await Promise.all(THREE.map(async (user) => (await people.inbox(user)).tasks.length))
      return sizes.join('')
    }
    assert.equal(await inboxes(), '100')
    await assert.rejects(
      people.approve(id, 'bob'),
      failsWith('HUMAN_TASK_CONFLICT', /waits for others before bob/),
    )
    await people.approve(id, 'ann')
    assert.equal(await inboxes(), '010')
    await people.takeBack(id, 'ann')
    assert.equal(await inboxes(), '100')
    await people.approve(id, 'ann')
    await people.comment(id, 'bob', 'I look at it')
    await assert.rejects(
      people.takeBack(id, 'ann'),
      failsWith('HUMAN_TASK_CONFLICT', /taken up by the next person/),
    )
    await people.sendBack(id, 'bob', 'ann', { reason: 'which budget?' })
    assert.equal(await inboxes(), '100')
    await people.approve(id, 'ann', { comment: 'marketing' })
    await people.approve(id, 'bob')
    await people.sendBack(id, 'cid', 'ann')
    await people.approve(id, 'ann')
    assert.equal(await inboxes(), '010', 'who decided after her decides again')
    await people.approve(id, 'bob')
    await people.approve(id, 'cid')
    assert.deepEqual(
      (await execution.result()).decisions.map(({ by }) => by),
      THREE,
    )
    assert.deepEqual((await changesOf(people, id)).slice(0, 6), [
      'opened',
      'ann approved',
      'ann taken-back',
      'ann approved',
      'bob commented',
      'bob sent-back',
    ])
  })
})

describe('approvers', () => {
  test('come and go while it runs', async () => {
    await using engine = await engineOf()
    const { id, people, execution } = await begun(engine, { requester: 'rob', order: 'sequence' })
    await assert.rejects(people.addApprover(id, 'cid', 'dan'), failsWith('HUMAN_TASK_FORBIDDEN'))
    await people.addApprover(id, 'ann', 'dan', { place: 2 })
    await assert.rejects(
      people.addApprover(id, 'rob', 'dan'),
      failsWith('HUMAN_TASK_CONFLICT', /seat of dan/),
    )
    await assert.rejects(people.removeApprover(id, 'ann', 2), failsWith('HUMAN_TASK_FORBIDDEN'))
    await people.removeApprover(id, 'rob', 2)
    await people.approve(id, 'ann')
    await assert.rejects(
      people.addApprover(id, 'rob', 'eve', { place: 1 }),
      failsWith('HUMAN_TASK_CONFLICT', /place 2 to 4/),
    )
    await assert.rejects(
      people.removeApprover(id, 'rob', 1),
      failsWith('HUMAN_TASK_CONFLICT', /decided in seat 1 by ann/),
    )
    await people.approve(id, 'dan')
    assert.equal((await people.describe(id)).status, 'open')
    await people.approve(id, 'cid')
    assert.deepEqual(
      (await execution.result()).decisions.map(({ by }) => by),
      ['ann', 'dan', 'cid'],
    )
    assert.deepEqual(await changesOf(people, id), [
      'opened',
      'ann approver-added',
      'rob approver-removed',
      'ann approved',
      'dan approved',
      'approved by cid',
    ])
  })

  test('removing the one that is missing ends it', async () => {
    await using engine = await engineOf()
    const { id, people, execution } = await begun(engine, {})
    await people.approve(id, 'ann')
    await people.approve(id, 'bob')
    await people.removeApprover(id, boss, 3)
    assert.equal((await execution.result()).approved, true)
    const { closedBy, reason } = await people.describe(id)
    assert.deepEqual([closedBy, reason], ['boss', 'seat 3 was removed'])
  })

  test('a rule keeps the votes that it needs; the last one stays', async () => {
    await using engine = await engineOf()
    const { id, people } = await begun(engine, { approvers: ['ann', 'bob'], rule: { votes: 2 } })
    await assert.rejects(
      people.removeApprover(id, boss, 1),
      failsWith('HUMAN_TASK_CONFLICT', /needs 2 votes/),
    )
    const other = await engine.start(approving, { title: 'x', approvers: ['ann'] }, { id: 'o' })
    const single = await openTask(people, 'o')
    await assert.rejects(
      people.removeApprover(single, boss, 1),
      failsWith('HUMAN_TASK_CONFLICT', /withdraw it/),
    )
    await people.withdraw(single, boss)
    await assert.rejects(other.result(), /withdrawn by boss/)
  })

  test('nobody decides twice, also not through a group or for somebody else', async () => {
    await using engine = await engineOf()
    const finance = { groups: ['finance'] }
    const { id, people, execution } = await begun(engine, { approvers: [finance, finance, 'bob'] })
    await people.approve(id, ann)
    await assert.rejects(people.approve(id, ann), failsWith('HUMAN_TASK_CONFLICT', /decided by ann/))
    await assert.rejects(people.claim(id, ann), failsWith('HUMAN_TASK_CONFLICT', /decided by ann/))
    await assert.rejects(
      people.delegate(id, 'bob', 'ann'),
      failsWith('HUMAN_TASK_CONFLICT', /decided by ann/),
    )
    await people.delegate(id, 'bob', 'dan')
    await people.approve(id, 'dan')
    await people.approve(id, { user: 'bob', groups: ['finance'] })
    assert.deepEqual(
      (await execution.result()).decisions.map(({ by }) => by),
      ['ann', 'dan', 'bob'],
    )
  })

  test('wrong options are refused', async () => {
    await using engine = await engineOf()
    const refused = async (options: object, message: RegExp) => {
      const execution = await engine.start(approving, { title: 'x', approvers: THREE, ...options } as never)
      await assert.rejects(execution.result(), message)
    }
    await refused({ approvers: [] }, /1 to 100/)
    await refused({ approvers: ['a', 'a'] }, /twice/)
    await refused({ rule: { votes: 4 } }, /votes: 1 to 3/)
    await refused({ rule: { ratio: 0 } }, /ratio/)
    await refused({ rule: 'most' }, /rule/)
    await refused({ order: 'random' }, /order/)
    await refused({ approvers: [{}] }, /an approver is a user/)
  })
})
