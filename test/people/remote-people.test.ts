// Human tasks over real sockets: workflow code in a worker, people at a client.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, createEngine, createWorker, silentLogger } from '../../src/index.ts'
import {
  ann,
  approving,
  asking,
  bob,
  changesOf,
  FORM,
  failsWith,
  openTask,
  question,
} from './people-fixtures.ts'

const quiet = { logger: silentLogger, shutdownGrace: 0 } as const

async function started() {
  const engine = await createEngine({ store: 'memory', ...quiet })
  const { url } = await engine.listen({ heartbeat: 1000 })
  const worker = await createWorker({ url, workflows: [asking, approving], ...quiet })
  const client = await connect(url, { logger: silentLogger })
  const close = async (): Promise<void> => {
    await client.close()
    await worker.close()
    await engine.close()
  }
  return { engine, worker, client, url, [Symbol.asyncDispose]: close }
}

test('a client has the inbox and the actions of the embedded engine', async () => {
  await using on = await started()
  const { people } = on.client
  const execution = await on.client.start(asking, {
    ...question,
    form: FORM,
    data: { at: new Date(0) },
    requester: 'rob',
  })
  const id = await openTask(people)
  assert.deepEqual((await people.describe(id)).data, { at: new Date(0) })
  await assert.rejects(people.complete(id, ann, { data: {} }), failsWith('HUMAN_TASK_DATA_INVALID', /amount/))
  await people.claim(id, ann)
  await assert.rejects(people.claim(id, bob), failsWith('HUMAN_TASK_CONFLICT', /claimed by ann/))
  await people.delegate(id, ann, 'eve', { returns: true })
  await people.complete(id, 'eve', { data: { amount: 2 } })
  await people.complete(id, ann, { comment: 'right' })
  assert.deepEqual(await execution.result(), { data: { amount: 2 }, by: 'ann', comment: 'right' })
  assert.deepEqual(await changesOf(people, id), [
    'opened',
    'ann claimed',
    'ann lent eve',
    'eve returned',
    'completed by ann',
  ])
  const approval = await on.client.start(approving, {
    title: 'x',
    approvers: ['ann', 'bob'],
    rule: { ratio: 0.5 },
  })
  const second = await openTask(people)
  await people.addApprover(second, 'ann', { users: ['cid'] }, { place: 1 })
  await people
    .sendBack(second, 'ann', 'bob')
    .then(() => assert.fail('nobody had it before'), failsWith('HUMAN_TASK_CONFLICT', /was not with bob/))
  await people.approve(second, 'cid')
  await people.withdraw(second, { user: 'mia', admin: true }, { reason: 'done otherwise' })
  await assert.rejects(approval.result(), /withdrawn by mia: done otherwise/)
})

test('what does not fit is refused by the engine, whatever the client has checked', async () => {
  await using on = await started()
  const { people } = on.client
  await on.client.start(asking, question)
  const id = await openTask(people)
  const unchecked = people as unknown as { claim(id: string, by: object): Promise<void> }
  await assert.rejects(unchecked.claim(id, { user: 'ann', groups: [7] }), /is of type number/)
  const large = Array.from({ length: 1001 }, (_, i) => `g${i}`)
  await assert.rejects(people.inbox({ user: 'ann', groups: large }), failsWith('ARGUMENT_INVALID'))
})

test('an open task survives the loss of the worker that asked for it', async () => {
  await using on = await started()
  const { people } = on.client
  const execution = await on.client.start(asking, question)
  const id = await openTask(people)
  await people.claim(id, ann)
  await on.worker.close()
  await people.complete(id, ann)
  await using _second = await createWorker({ url: on.url, workflows: [asking], ...quiet })
  assert.equal((await execution.result()).by, 'ann')
})
