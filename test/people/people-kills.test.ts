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
/** At most so many are told between two kills; all need more than {@link KILLS} times that. */
const PER_LIFE = 50

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

interface Office {
  readonly url: string
  readonly acknowledged: Acknowledged[]
  /** Everybody stops there, or all might be done before the last kill. */
  mayReach: number
  isOver: boolean
}

/** Takes the next task of the inbox, until all are done; what is refused was done by somebody else. */
async function work(office: Office, user: string, seed: number) {
  const { url, acknowledged } = office
  const random = seededRandomness(seed)
  await using client = await connect(url, { logger: silentLogger })
  const person = { user, groups: ['staff'] }
  let refused = 0
  let number = 0
  while (!office.isOver) {
    if (acknowledged.length >= office.mayReach) {
      await pause(5)
      continue
    }
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
  const office: Office = { url, acknowledged, mayReach: PER_LIFE, isOver: false }
  const workers = USERS.map((user, i) => work(office, user, seed + i))
  const random = seededRandomness(seed)
  await using watch = await connect(url, { logger: silentLogger })
  const openOnes = async () => (await watch.list({ status: ['running'], limit: 1 })).executions.length
  let kills = 0
  let told = 0
  const endMs = Date.now() + 60_000
  while (Date.now() < endMs && (await openOnes()) > 0) {
    // In the middle of the work: some of it was told since the last start.
    while (acknowledged.length < told + 10 && Date.now() < endMs && (await openOnes()) > 0) await pause(5)
    if (kills >= KILLS) continue
    await pause(random() * 40)
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
    kills += 1
    told = acknowledged.length
    office.mayReach = kills < KILLS ? told + PER_LIFE : Number.POSITIVE_INFINITY
    child = await life(file.path, port, 0)
  }
  office.isOver = true
  const refused = (await Promise.all(workers)).reduce((sum, each) => sum + each, 0)
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
  t.diagnostic(`${kills} kills, ${acknowledged.length} acknowledged, ${refused} refused`)
  assert.equal(kills, KILLS)
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
