/** Human tasks of one person, as workflow code and people see them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signal, workflow } from '../../src/index.ts'
import {
  ann,
  asking,
  bob,
  boss,
  changesOf,
  engineOf,
  eve,
  FORM,
  failsWith,
  openTask,
  question,
  START,
} from './people-fixtures.ts'

describe('a human task', () => {
  test('is in the inboxes of its candidates until somebody has completed it', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(asking, {
      ...question,
      candidateUsers: ['carl'],
      form: FORM,
      data: { no: 7 },
    })
    const id = await openTask(people)
    assert.equal((await people.inbox(eve)).tasks.length, 0)
    assert.equal((await people.inbox('ann')).tasks.length, 0, 'the caller says the groups')
    const [mine] = (await people.inbox(ann)).tasks
    assert.equal(mine?.isOwn, false)
    assert.deepEqual(
      (await people.inbox('carl')).tasks.map((task) => task.id),
      [id],
    )
    await people.claim(id, ann)
    const [own] = (await people.inbox(ann)).tasks
    assert.deepEqual([own?.isOwn, own?.seats[0]?.holder, own?.openedAt], [true, 'ann', new Date(START)])
    assert.equal((await people.inbox(bob)).tasks.length, 0, 'it is taken')
    const details = await people.describe(id)
    assert.deepEqual([details.status, details.data, details.form], ['open', { no: 7 }, FORM])
    await people.comment(id, ann, 'looks fine')
    await people.complete(id, ann, { data: { amount: 3 }, comment: 'done' })
    assert.deepEqual(await execution.result(), { data: { amount: 3 }, by: 'ann', comment: 'done' })
    assert.equal((await people.inbox(ann)).tasks.length, 0)
    const after = await people.describe(id)
    assert.deepEqual(
      [after.status, after.closedBy, after.decisions[0]?.data],
      ['completed', 'ann', { amount: 3 }],
    )
    assert.deepEqual(
      after.comments.map(({ by, text }) => `${by}: ${text}`),
      ['ann: looks fine'],
    )
    assert.deepEqual(await changesOf(people, id), [
      'opened',
      'ann claimed',
      'ann commented',
      'completed by ann',
    ])
  })

  test('what is filled in is held against the form before anything is recorded', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(asking, { ...question, form: FORM })
    const id = await openTask(people)
    await people.claim(id, ann)
    const wrong = (data: unknown, message: RegExp) =>
      assert.rejects(people.complete(id, ann, { data }), failsWith('HUMAN_TASK_DATA_INVALID', message))
    await wrong({ amount: -1 }, /amount.*-1/)
    await wrong({}, /amount/)
    await wrong({ amount: 1, more: 2 }, /more/)
    await wrong(new Date(), /not JSON/)
    await wrong(undefined, /not filled in/)
    assert.deepEqual(await changesOf(people, id), ['opened', 'ann claimed'])
    await people.complete(id, ann, { data: { amount: 1 } })
    assert.deepEqual((await execution.result()).data, { amount: 1 })
  })

  test('may be completed without a claim, but not by somebody else than its candidates', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(asking, question)
    const id = await openTask(people)
    await assert.rejects(people.complete(id, eve), failsWith('HUMAN_TASK_FORBIDDEN', /eve/))
    await assert.rejects(people.claim(id, eve), failsWith('HUMAN_TASK_FORBIDDEN'))
    await assert.rejects(people.comment(id, eve, 'hi'), failsWith('HUMAN_TASK_FORBIDDEN'))
    await assert.rejects(people.approve(id, ann), failsWith('HUMAN_TASK_CONFLICT', /completed, not approved/))
    await people.complete(id, bob)
    assert.equal((await execution.result()).by, 'bob')
    await assert.rejects(people.complete(id, ann), failsWith('HUMAN_TASK_CONFLICT', /completed by bob/))
    await assert.rejects(people.claim(id, ann), failsWith('HUMAN_TASK_CONFLICT', /has ended/))
  })

  test('rejected, withdrawn and expired ones throw in the workflow', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const rejected = await engine.start(asking, question, { id: 'a' })
    await people.reject(await openTask(people, 'a'), ann, { comment: 'not mine' })
    await assert.rejects(rejected.result(), /HUMAN_TASK_REJECTED|was rejected by ann: not mine/)
    const withdrawn = await engine.start(asking, { ...question, requester: 'rob' }, { id: 'b' })
    const id = await openTask(people, 'b')
    await assert.rejects(people.withdraw(id, ann), failsWith('HUMAN_TASK_FORBIDDEN'))
    assert.deepEqual(
      (await people.requestedBy('rob')).tasks.map((task) => task.id),
      [id],
    )
    await people.withdraw(id, 'rob', { reason: 'a mistake' })
    await assert.rejects(withdrawn.result(), /was withdrawn by rob: a mistake/)
    const expired = await engine.start(asking, { ...question, dueIn: '1h', onDue: 'expire' }, { id: 'c' })
    const third = await openTask(people, 'c')
    await engine.advance('1h')
    await assert.rejects(expired.result(), /was not done in time/)
    assert.deepEqual(await changesOf(people, third), ['opened', 'expired by time'])
    assert.deepEqual((await people.list()).tasks, [])
  })

  test('of concurrent claims exactly one wins', async () => {
    await using engine = await engineOf()
    const { people } = engine
    await engine.start(asking, question)
    const id = await openTask(people)
    const users = Array.from({ length: 50 }, (_, i) => ({ user: `u${i}`, groups: ['finance'] }))
    const claims = await Promise.allSettled(users.map((user) => people.claim(id, user)))
    const won = claims.flatMap((claim, i) => (claim.status === 'fulfilled' ? [users[i]?.user] : []))
    assert.equal(won.length, 1)
    assert.equal((await people.describe(id)).seats[0]?.holder, won[0])
    for (const claim of claims)
      if (claim.status === 'rejected') failsWith('HUMAN_TASK_CONFLICT', /is claimed by/)(claim.reason)
    assert.deepEqual(await changesOf(people, id), ['opened', `${won[0]} claimed`])
  })

  test('a repeat of an action counts once, also of one that ended the task', async () => {
    await using engine = await engineOf()
    const { people } = engine
    await engine.start(asking, question)
    const id = await openTask(people)
    const same = { requestId: 'r1' }
    await Promise.all([people.comment(id, ann, 'x', same), people.comment(id, ann, 'x', same)])
    await people.claim(id, ann)
    await people.claim(id, ann)
    await people.complete(id, ann, { requestId: 'r2' })
    await people.complete(id, ann, { requestId: 'r2' })
    assert.deepEqual(await changesOf(people, id), [
      'opened',
      'ann commented',
      'ann claimed',
      'completed by ann',
    ])
  })

  test('release, delegate, transfer, reassign, lend and take back', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(asking, { ...question, managers: { users: ['mia'] }, form: FORM })
    const id = await openTask(people)
    await assert.rejects(people.release(id, ann), failsWith('HUMAN_TASK_CONFLICT', /not claimed by ann/))
    await people.claim(id, ann)
    await people.release(id, ann)
    await people.claim(id, bob)
    await people.delegate(id, bob, 'eve')
    await assert.rejects(
      people.complete(id, bob, { data: { amount: 1 } }),
      failsWith('HUMAN_TASK_CONFLICT', /claimed by eve/),
    )
    await people.takeBack(id, bob)
    await people.transfer(id, bob, 'eve')
    await people.comment(id, eve, 'I have it')
    await assert.rejects(people.takeBack(id, bob), failsWith('HUMAN_TASK_CONFLICT', /taken up by eve/))
    await people.sendBack(id, eve, 'bob', { reason: 'yours' })
    await assert.rejects(people.reassign(id, eve, 'eve'), failsWith('HUMAN_TASK_FORBIDDEN'))
    await people.reassign(id, 'mia', 'ann')
    await people.reassign(id, boss, 'bob')
    await people.delegate(id, bob, 'eve', { returns: true })
    await assert.rejects(people.release(id, eve), failsWith('HUMAN_TASK_CONFLICT', /send it back/))
    await people.complete(id, eve, { data: { amount: 9 }, comment: 'as you said' })
    const { drafts, status } = await people.describe(id)
    assert.equal(status, 'open', 'the lender decides')
    assert.deepEqual(drafts, [
      { seat: 1, by: 'eve', verdict: 'completed', data: { amount: 9 }, comment: 'as you said' },
    ])
    await people.complete(id, bob)
    assert.deepEqual(await execution.result(), { data: { amount: 9 }, by: 'bob', comment: undefined })
    const [decision] = (await people.describe(id)).decisions
    assert.equal(decision?.preparedBy, 'eve')
    assert.deepEqual(await changesOf(people, id), [
      'opened',
      'ann claimed',
      'ann released',
      'bob claimed',
      'bob delegated eve',
      'bob taken-back',
      'bob transferred eve',
      'eve commented',
      'eve sent-back',
      'mia reassigned ann',
      'boss reassigned bob',
      'bob lent eve',
      'eve returned',
      'completed by bob',
    ])
  })
})

describe('lending', () => {
  test('what is lent comes back to the lender, whoever had it in between', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(asking, question)
    const id = await openTask(people)
    await people.claim(id, ann)
    await people.delegate(id, ann, 'eve', { returns: true })
    await people.delegate(id, 'eve', 'joe')
    await assert.rejects(people.release(id, 'joe'), failsWith('HUMAN_TASK_CONFLICT', /lent by ann/))
    await people.complete(id, 'joe', { data: 1 })
    const { status, seats } = await people.describe(id)
    assert.deepEqual([status, seats[0]?.holder], ['open', 'ann'])
    await people.complete(id, ann)
    assert.deepEqual(await execution.result(), { data: 1, by: 'ann', comment: undefined })
    assert.equal((await people.describe(id)).decisions[0]?.preparedBy, 'joe')
  })
})

describe('beside other things', () => {
  const hello = signal<number>('hello')
  const racing = workflow({
    name: 'racing',
    run: async (ctx) => {
      const asked = ctx.humanTask(question)
      const first = await Promise.race([asked, ctx.waitFor(hello)])
      await ctx.waitFor(hello)
      return first
    },
  })

  test('a request id of a signal is not one of a person; who lost a race may be rejected', async () => {
    await using engine = await engineOf({ workflows: [racing] })
    const { people } = engine
    const execution = await engine.start(racing)
    const id = await openTask(people)
    await execution.signal(hello, 1, { requestId: 'same' })
    await people.reject(id, ann, { requestId: 'same' })
    assert.equal((await people.describe(id)).status, 'rejected')
    await execution.signal(hello, 2)
    assert.equal(await execution.result(), 1)
  })
})

describe('time', () => {
  test('escalates in steps, and marks what is overdue', async () => {
    await using engine = await engineOf()
    const { people } = engine
    await engine.start(asking, {
      ...question,
      dueIn: '3h',
      escalate: [
        { after: '2h', groups: ['audit'], priority: 9, release: true },
        { after: '1h', users: ['mia'] },
      ],
    })
    const id = await openTask(people)
    await people.claim(id, ann)
    await engine.advance('1h')
    assert.equal((await people.inbox('mia')).tasks.length, 0, 'ann has it')
    await people.release(id, ann)
    assert.equal((await people.inbox('mia')).tasks.length, 1)
    await people.claim(id, ann)
    await engine.advance('1h')
    const [task] = (await people.inbox(eve)).tasks
    assert.deepEqual([task?.priority, task?.isOwn, task?.isOverdue], [9, false, false])
    await engine.advance('1h')
    assert.equal((await people.describe(id)).isOverdue, true)
    assert.deepEqual(await changesOf(people, id), [
      'opened',
      'ann claimed',
      'time escalated',
      'ann released',
      'ann claimed',
      'time escalated',
      'time overdue',
    ])
  })

  test('inboxes are in order of priority, then of due time, then of age, page by page', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const open = async (id: string, options: object) => {
      await engine.start(asking, { ...question, ...options }, { id })
      await openTask(people, id)
      await engine.advance('1s')
    }
    await open('old', {})
    await open('new', {})
    await open('late', { dueIn: '2h' })
    await open('soon', { dueIn: '1h' })
    await open('urgent', { priority: 9 })
    await open('low', { priority: 0, dueIn: '1m' })
    const ids: string[] = []
    let cursor: string | undefined
    do {
      const page = await people.inbox(ann, { limit: 2, ...(cursor === undefined ? {} : { cursor }) })
      ids.push(...page.tasks.map(({ workflowId }) => workflowId))
      cursor = page.cursor
    } while (cursor !== undefined)
    assert.deepEqual(ids, ['urgent', 'soon', 'late', 'old', 'new', 'low'])
    await assert.rejects(people.inbox(ann, { cursor: 'x' }), failsWith('ARGUMENT_INVALID', /cursor/))
  })
})

describe('four eyes', () => {
  const paying = workflow({
    name: 'paying',
    run: async (ctx) => {
      const first = await ctx.humanTask({
        name: 'enter',
        title: 'Enter the payment',
        candidateGroups: ['finance'],
      })
      const second = await ctx.humanTask({
        name: 'release',
        title: 'Release the payment',
        candidateGroups: ['finance'],
        fourEyes: 'enter',
      })
      return [first.by, second.by]
    },
  })
  const together = workflow({
    name: 'together',
    run: async (ctx) => {
      const ask = (name: string, fourEyes: string) =>
        ctx.approval({
          name,
          title: name,
          fourEyes,
          approvers: [{ groups: ['finance'] }, { groups: ['finance'] }],
        })
      const both = await Promise.all([ask('left', 'right'), ask('right', 'left')])
      return both.map(({ decisions }) => decisions.map(({ by }) => by))
    },
  })

  test('who did the one task may neither claim, nor be given, nor complete the other', async () => {
    await using engine = await engineOf({ workflows: [paying] })
    const { people } = engine
    const execution = await engine.start(paying)
    await people.complete(await openTask(people), ann)
    const id = await openTask(people)
    await assert.rejects(
      people.claim(id, ann),
      failsWith('HUMAN_TASK_FORBIDDEN', /ann did 'enter'.*four eyes/),
    )
    await assert.rejects(people.complete(id, ann), failsWith('HUMAN_TASK_FORBIDDEN'))
    await people.claim(id, bob)
    await assert.rejects(people.delegate(id, bob, 'ann'), failsWith('HUMAN_TASK_FORBIDDEN'))
    await assert.rejects(people.reassign(id, boss, 'ann'), failsWith('HUMAN_TASK_FORBIDDEN'))
    await people.complete(id, bob)
    assert.deepEqual(await execution.result(), ['ann', 'bob'])
  })

  test('holds between tasks that are open at the same time', async () => {
    await using engine = await engineOf({ workflows: [together] })
    const { people } = engine
    const execution = await engine.start(together)
    await openTask(people)
    const { tasks } = await people.list()
    const [left = '', right = ''] = ['left', 'right'].map(
      (name) => tasks.find((task) => task.name === name)?.id,
    )
    await people.claim(right, ann)
    await people.approve(left, ann)
    await assert.rejects(people.approve(right, ann), failsWith('HUMAN_TASK_FORBIDDEN', /ann did 'left'/))
    await people.release(right, ann)
    const more = ['cid', 'dan', 'fay'].map((user) => ({ user, groups: ['finance'] }))
    const [cid = ann, dan = ann, fay = ann] = more
    await people.approve(right, cid)
    await assert.rejects(people.approve(left, cid), failsWith('HUMAN_TASK_FORBIDDEN'))
    await people.approve(left, dan)
    await people.approve(right, fay)
    assert.deepEqual(await execution.result(), [
      ['ann', 'dan'],
      ['cid', 'fay'],
    ])
  })
})

describe('the end of what waits for it', () => {
  const scoped = workflow({
    name: 'scoped',
    run: async (ctx) => {
      const scope = ctx.scope((inner) => inner.humanTask({ ...question, dueIn: '1h' }))
      await ctx.sleep('10m')
      scope.cancel('too late')
      await ctx.sleep('2h')
      return 'went on'
    },
  })

  test('a cancelled scope withdraws its task', async () => {
    await using engine = await engineOf({ workflows: [scoped] })
    const { people } = engine
    const execution = await engine.start(scoped)
    const id = await openTask(people)
    await engine.advance('10m')
    assert.deepEqual((await people.list()).tasks, [])
    assert.equal((await people.describe(id)).status, 'cancelled')
    await assert.rejects(people.claim(id, ann), failsWith('HUMAN_TASK_CONFLICT', /cancelled/))
    await engine.advance('2h')
    assert.equal(await execution.result(), 'went on')
  })

  test('so does the end of the execution; a retry of it asks anew', async () => {
    const risky = workflow({
      name: 'risky',
      run: async (ctx) => {
        const asked = ctx.humanTask(question)
        await ctx.step(
          'fail once',
          () => {
            if (failures++ === 0) throw Object.assign(new Error('no'), { nonRetryable: true })
          },
          { retry: { maxAttempts: 1 } },
        )
        return (await asked).by
      },
    })
    let failures = 0
    await using engine = await engineOf({ workflows: [risky, asking] })
    const { people } = engine
    const execution = await engine.start(risky, undefined, { id: 'r' })
    await assert.rejects(execution.result(), /no/)
    assert.deepEqual((await people.list()).tasks, [])
    await execution.retry()
    const id = await openTask(people, 'r')
    await people.complete(id, ann)
    assert.equal(await execution.result(), 'ann')
    const terminated = await engine.start(asking, question, { id: 't' })
    const second = await openTask(people, 't')
    await terminated.terminate('enough')
    const { status, reason } = await people.describe(second)
    assert.deepEqual([status, reason], ['cancelled', 'its execution has ended'])
    assert.deepEqual((await people.list()).tasks, [])
  })

  test('a rejected task is asked for again when the execution is retried', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(asking, question, { id: 'x' })
    const id = await openTask(people, 'x')
    await people.reject(id, ann)
    await assert.rejects(execution.result(), /rejected by ann/)
    await execution.retry()
    assert.equal(await openTask(people, 'x'), id)
    await people.complete(id, bob)
    assert.equal((await execution.result()).by, 'bob')
    assert.deepEqual(await changesOf(people, id), ['opened', 'rejected by ann', 'opened', 'completed by bob'])
  })
})
