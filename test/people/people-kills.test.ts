// People work through connections while the process of the engine is killed and started again.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { auditFile } from '../../src/cli/doctor/file-audit.ts'
import { connect, createEngine, PerdureError, silentLogger } from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { paying } from './paying.ts'

const EXECUTIONS = 60
const USERS = ['ann', 'bob', 'cid', 'dan', 'eve', 'fay']
const KILLS = 5

interface Acknowledged {
  readonly id: string
  readonly user: string
  readonly requestId: string
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function life(...args: readonly (string | number)[]): Promise<ChildProcess> {
  const file = join(import.meta.dirname, 'people-process.ts')
  const child = spawn(process.execPath, [...process.execArgv, file, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface(child.stdout)) if (line === 'listening') return child
  throw new Error('the engine did not listen')
}

/** Takes the next task of the inbox, until all are done; what is refused was done by somebody else. */
async function work(
  url: string,
  user: string,
  seed: number,
  acknowledged: Acknowledged[],
  isOver: () => boolean,
) {
  const random = seededRandomness(seed)
  await using client = await connect(url, { logger: silentLogger })
  const person = { user, groups: ['staff'] }
  let refused = 0
  let number = 0
  while (!isOver()) {
    const { tasks } = await client.people.inbox(person, { limit: 20 })
    const task = tasks[Math.floor(random() * tasks.length)]
    if (task === undefined) {
      await pause(5)
      continue
    }
    const requestId = `${user}-${number++}`
    const { id } = task
    try {
      if (!task.isOwn && random() < 0.5) await client.people.claim(id, person, { requestId })
      else if (task.kind === 'task') await client.people.complete(id, person, { requestId })
      else await client.people.approve(id, person, { requestId })
      acknowledged.push({ id, user, requestId })
    } catch (error) {
      assert.ok(error instanceof PerdureError, String(error))
      assert.ok(['HUMAN_TASK_CONFLICT', 'HUMAN_TASK_FORBIDDEN'].includes(error.code), error.message)
      refused += 1
    }
  }
  return refused
}

test('what people were told is done is done once, and by them', async (t) => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  using file = temporaryFile('people.db')
  const port = await freePort()
  const url = `ws://127.0.0.1:${port}`
  let child = await life(file.path, port, EXECUTIONS)
  const acknowledged: Acknowledged[] = []
  let isOver = false
  const workers = USERS.map((user, i) => work(url, user, seed + i, acknowledged, () => isOver))
  const random = seededRandomness(seed)
  await using watch = await connect(url, { logger: silentLogger })
  const openOnes = async () => (await watch.list({ status: ['running'], limit: 1 })).executions.length
  let kills = 0
  const endMs = Date.now() + 60_000
  while (Date.now() < endMs && (await openOnes()) > 0) {
    const before = acknowledged.length
    // In the middle of the work: some of it was told since the last start.
    while (acknowledged.length < before + 10 && Date.now() < endMs && (await openOnes()) > 0) await pause(5)
    if (kills >= KILLS) continue
    await pause(random() * 40)
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
    kills += 1
    child = await life(file.path, port, 0)
  }
  isOver = true
  const refused = (await Promise.all(workers)).reduce((sum, each) => sum + each, 0)
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
  t.diagnostic(`${kills} kills, ${acknowledged.length} acknowledged, ${refused} refused`)
  // On a slow machine the work may be over before the last ones.
  assert.ok(kills >= 2, `${kills} kills`)
  assert.deepEqual((await auditFile(file.path)).findings, [])
  await using engine = await createEngine({
    store: `sqlite:${file.path}`,
    workflows: [paying],
    logger: silentLogger,
  })
  assert.deepEqual((await engine.people.list()).tasks, [])
  for (let i = 0; i < EXECUTIONS; i++) {
    const { entered, released, approved, by } = await engine.execution(paying, `pay-${i}`).result()
    assert.equal(approved, true)
    assert.notEqual(entered, released)
    assert.equal(new Set(by).size, by.length, 'nobody decides twice')
  }
  const recorded = new Map<string, string>()
  for (const id of new Set(acknowledged.map((each) => each.id)))
    for (const { event } of await engine.people.history(id)) {
      if (!('requestId' in event) || event.requestId === undefined) continue
      assert.equal(recorded.has(event.requestId), false, `${event.requestId} is recorded twice`)
      recorded.set(event.requestId, `${id} ${'by' in event ? event.by : ''}`)
    }
  // A claim of what the person had already changes nothing: there are none, since own ones are completed.
  for (const { id, user, requestId } of acknowledged)
    assert.equal(recorded.get(requestId), `${id} ${user}`, requestId)
})
