/** Workers and clients that encrypt, and an engine between them that has no keys: over real sockets. */
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { it } from 'node:test'
import {
  connect,
  createEngine,
  createWorker,
  type EncryptionSettings,
  openEncryption,
  signal,
  silentLogger,
  task,
  workflow,
} from '../../src/index.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { until } from '../tasks/task-fixtures.ts'
import { everyOperation, filesWithMarker, hasMarker, MARKER, TASKS, WORKFLOWS } from './every-operation.ts'
import { recordingProxy } from './recording-proxy.ts'
import { rsaKeys } from './rsa-keys.ts'

const first = () => rsaKeys().privateKey
const second = () => rsaKeys('second').privateKey
const quiet = { logger: silentLogger, shutdownGrace: 0 } as const

for (const dataKeys of [undefined, 'keys.db'])
  it(`every operation works, and files, logs and frames have no word of it; data keys: ${dataKeys ?? 'carried'}`, {
    timeout: 120_000,
  }, async () => {
    using file = temporaryFile('x.db')
    const folder = dirname(file.path)
    const settings: EncryptionSettings = {
      keys: { privateKeys: [first()] },
      ...(dataKeys === undefined ? {} : { dataKeys: `sqlite:${join(folder, dataKeys)}` }),
    }
    const logger = recordedLog()
    await using engine = await createEngine({ store: `sqlite:${file.path}`, logger })
    await using proxy = await recordingProxy((await engine.listen()).url)
    await using atWorker = await openEncryption(settings)
    await using atClient = await openEncryption(settings)
    const options = { ...quiet, workflows: WORKFLOWS, tasks: TASKS, encryption: atWorker }
    await using _worker = await createWorker({ url: proxy.url, ...options })
    await using client = await connect(proxy.url, { logger: silentLogger, encryption: atClient })
    await everyOperation(client, 'remote')
    assert.ok(proxy.frames.length > 50)
    assert.ok(!proxy.frames.some(hasMarker), proxy.frames.find(hasMarker)?.slice(0, 2000))
    assert.ok(!hasMarker(JSON.stringify(logger.entries)))
    assert.deepEqual(filesWithMarker(folder), [])
  })

const go = signal<string>('go')
const waiting = workflow({
  name: 'waiting',
  run: async (ctx, input: string) => `${await ctx.step('s', () => input)} ${await ctx.waitFor(go)}`,
})
const echo = task({ name: 'echo', run: (_, given: string) => given, retry: { maxAttempts: 2 } })

it('what code logs does not go to the engine', async () => {
  const told = recordedLog()
  const log = recordedLog()
  const logging = workflow({
    name: 'logging',
    run: async (ctx, input: string) => {
      ctx.log.warn(`about ${input}`, { input })
      return ctx.step('s', (step) => void step.log.warn(input))
    },
  })
  await using engine = await createEngine({ store: 'memory', logger: told })
  await using proxy = await recordingProxy((await engine.listen()).url)
  await using encryption = await openEncryption({ keys: { privateKeys: [first()] } })
  await using _worker = await createWorker({ url: proxy.url, workflows: [logging], encryption, logger: log })
  await using client = await connect(proxy.url, { ...{ logger: silentLogger, encryption } })
  await (await client.start(logging, MARKER)).result()
  assert.deepEqual(
    log.entries.map(({ message }) => message),
    [`about ${MARKER}`, MARKER],
  )
  assert.ok(!proxy.frames.some(hasMarker))
  assert.ok(!hasMarker(JSON.stringify(told.entries)))
})

it('a worker without the key parks executions and gives tasks back; one with the key goes on with all', async () => {
  await using engine = await createEngine({ store: 'memory', ...quiet })
  const { url } = await engine.listen()
  await using encryption = await openEncryption({ keys: { privateKeys: [first()] } })
  await using wrong = await openEncryption({ keys: { privateKeys: [second()] } })
  await using client = await connect(url, { logger: silentLogger, encryption })
  const code = { url, workflows: [waiting], tasks: [echo], shutdownGrace: 0 } as const
  for (const given of [{}, { encryption: wrong }]) {
    const logger = recordedLog()
    await using _worker = await createWorker({ ...code, ...given, logger })
    const execution = await client.start(waiting, MARKER, { id: 'w' })
    const enqueued = await client.enqueue(echo, MARKER, { id: 't' })
    await until(async () => (await execution.describe()).status === 'parked')
    await until(() => logger.entries.some(({ message }) => message.includes('given back')))
    const said = JSON.stringify(logger.entries, (_, value) =>
      value instanceof Error ? value.message : value,
    )
    assert.match(said, /PAYLOAD_UNREADABLE/)
    const { attempts, status } = await enqueued.describe()
    assert.deepEqual([status === 'failed', attempts <= 1], [false, true])
  }
  await using _worker = await createWorker({ ...code, logger: silentLogger, encryption })
  const execution = client.execution(waiting, 'w')
  await execution.signal(go, 'went')
  assert.equal(await execution.result(), `${MARKER} went`)
  assert.equal(await client.task(echo, 't').result(), MARKER)
  assert.equal((await client.task(echo, 't').describe()).attempts, 1)
})

it('a task that was changed fails, and keeps no worker from others', async () => {
  await using engine = await createEngine({ store: 'memory', ...quiet })
  const { url } = await engine.listen()
  await using encryption = await openEncryption({ keys: { privateKeys: [first()] } })
  await using _worker = await createWorker({
    ...{ url, tasks: [echo], ...quiet, concurrency: 1 },
    encryption,
  })
  await using plain = await connect(url, { logger: silentLogger })
  await using client = await connect(url, { logger: silentLogger, encryption })
  const refused = await plain.enqueue(echo, 'not encrypted', { id: 'plain' })
  await assert.rejects(refused.result(), (error: Error) => {
    assert.match((error.cause as Error).message, /own-task-input of plain.*is not encrypted/)
    return true
  })
  assert.equal((await refused.describe()).attempts, 1)
  assert.equal(await (await client.enqueue(echo, 'encrypted')).result(), 'encrypted')
})

it('keys rotate without a pause: old and new programs together', async () => {
  using file = temporaryFile('keys.db')
  for (const dataKeys of [{}, { dataKeys: `sqlite:${file.path}` }]) {
    await using engine = await createEngine({ store: 'memory', ...quiet })
    const { url } = await engine.listen()
    // 1: the new private key goes to all programs, which still write with the old one.
    const both = [first(), second()]
    await using old = await openEncryption({ keys: { privateKeys: [first()] }, ...dataKeys })
    await using ready = await openEncryption({ keys: { privateKeys: both }, ...dataKeys })
    // 2: one after the other they write with the new one.
    const publicKey = rsaKeys('second').publicKey
    await using rotated = await openEncryption({ keys: { publicKey, privateKeys: both }, ...dataKeys })
    const code = { ...quiet, url, workflows: [waiting], tasks: [echo] }
    await using oldClient = await connect(url, { logger: silentLogger, encryption: old })
    await using newClient = await connect(url, { logger: silentLogger, encryption: rotated })
    const begun = await (async () => {
      await using _worker = await createWorker({ ...code, encryption: old })
      const execution = await oldClient.start(waiting, 'begun before', { id: 'before' })
      await until(async () => (await execution.explain()).reason === 'signal')
      return execution
    })()
    await using _ready = await createWorker({ ...code, encryption: ready })
    await using _rotated = await createWorker({ ...code, encryption: rotated })
    await newClient.execution(waiting, 'before').signal(go, 'ended after')
    const started = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? oldClient : newClient).start(waiting, `x${i}`, { id: `x${i}` }),
      ),
    )
    for (const { id } of started) await newClient.execution(waiting, id).signal(go, id)
    const results = started.map(({ id }) => newClient.execution(waiting, id).result())
    assert.deepEqual(
      await Promise.all(results),
      started.map(({ id }) => `${id} ${id}`),
    )
    assert.equal(await newClient.execution(waiting, begun.id).result(), 'begun before ended after')
    if (!('dataKeys' in dataKeys)) continue
    // 3: the keys of the store are wrapped anew, and the old private key goes.
    assert.equal(await rotated.rewrap(), 1)
    assert.equal(await rotated.rewrap(), 0)
    await using after = await openEncryption({ keys: { privateKeys: [second()] }, ...dataKeys })
    await using last = await connect(url, { logger: silentLogger, encryption: after })
    assert.equal(await last.execution(waiting, 'before').result(), 'begun before ended after')
    await using none = await openEncryption({ keys: { privateKeys: [first()] }, ...dataKeys })
    await using lost = await connect(url, { logger: silentLogger, encryption: none })
    await assert.rejects(lost.execution(waiting, 'before').result(), { code: 'PAYLOAD_UNREADABLE' })
  }
})

it('while the key service is down, work waits, and nothing is lost', async () => {
  const { KeyFiles } = await import('../../src/platform/encryption/key-files.ts')
  const files = new KeyFiles({ privateKeys: [first()] })
  let isDown = false
  const reach = async <T>(call: () => Promise<T>): Promise<T> => {
    await new Promise((resolve) => setTimeout(resolve, 2))
    if (isDown) throw new Error('connect ECONNREFUSED')
    return call()
  }
  const keys = {
    currentKeyId: files.currentKeyId,
    wrap: (...given: Parameters<typeof files.wrap>) => reach(() => files.wrap(...given)),
    unwrap: (...given: Parameters<typeof files.unwrap>) => reach(() => files.unwrap(...given)),
  }
  await using engine = await createEngine({ store: 'memory', ...quiet })
  const { url } = await engine.listen()
  await using atClient = await openEncryption({ keys: files })
  await using atWorker = await openEncryption({ keys })
  await using client = await connect(url, { logger: silentLogger, encryption: atClient })
  isDown = true
  const logger = recordedLog()
  const code = { url, workflows: [waiting], tasks: [echo], encryption: atWorker, logger, shutdownGrace: 0 }
  await using _worker = await createWorker(code)
  const execution = await client.start(waiting, 'input', { id: 'w' })
  await execution.signal(go, 'went')
  const enqueued = await client.enqueue(echo, 'task', { id: 't' })
  await until(() => logger.entries.some(({ message }) => message.includes('cannot be reached')))
  // Long enough to be asked again.
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual(
    (await client.list()).executions.map(({ status }) => status),
    ['running'],
  )
  await using down = await openEncryption({ keys })
  await using other = await connect(url, { logger: silentLogger, encryption: down })
  await assert.rejects(other.start(waiting, 'x'), { code: 'KEYS_UNAVAILABLE', retryable: true })
  isDown = false
  assert.equal(await execution.result(), 'input went')
  assert.equal(await enqueued.result(), 'task')
  assert.ok((await enqueued.describe()).attempts === 1)
})
