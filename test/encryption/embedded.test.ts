/** An engine whose payloads are encrypted: everything works, and nothing of it is in its files. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import {
  createEngine,
  type EncryptionSettings,
  openEncryption,
  type PerdureError,
  signal,
  workflow,
} from '../../src/index.ts'
import { jsonLogger } from '../../src/platform/logger.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { until } from '../tasks/task-fixtures.ts'
import { everyOperation, filesWithMarker, hasMarker, MARKER, TASKS, WORKFLOWS } from './every-operation.ts'
import { rsaKeys } from './rsa-keys.ts'

const keys = () => ({ privateKeys: [rsaKeys().privateKey] })

for (const [where, dataKeys] of [
  ['carried by payloads', undefined],
  ['in a store', 'keys.db'],
] as const) {
  describe(`with data keys ${where}`, () => {
    const settingsIn = (folder: string): EncryptionSettings => ({
      keys: keys(),
      ...(dataKeys === undefined ? {} : { dataKeys: `sqlite:${join(folder, dataKeys)}` }),
    })

    it('every operation works, also after a restart, and no file has a word of it', {
      timeout: 120_000,
    }, async () => {
      using file = temporaryFile('store/x.db')
      mkdirSync(dirname(file.path))
      const folder = dirname(dirname(file.path))
      const logger = recordedLog()
      for (const life of ['first', 'second']) {
        await using encryption = await openEncryption(settingsIn(folder))
        await using engine = await createEngine({
          store: `sqlite:${file.path}`,
          ...{ workflows: WORKFLOWS, tasks: TASKS, encryption, logger },
        })
        await everyOperation(engine, life)
        // Also while it is open, with its log.
        assert.deepEqual(filesWithMarker(folder), [])
      }
      assert.deepEqual(filesWithMarker(folder), [])
      assert.ok(!hasMarker(JSON.stringify(logger.entries)))
    })

    it('an execution that is open goes on after a restart, with keys got anew', async () => {
      using file = temporaryFile('x.db')
      const folder = dirname(file.path)
      const go = signal<string>('go')
      const waiting = workflow({
        name: 'waiting',
        run: async (ctx, input: string) => {
          const step = await ctx.step('step', () => `${input} step`)
          return `${step} ${await ctx.waitFor(go)}`
        },
      })
      const store = `sqlite:${file.path}`
      {
        await using encryption = await openEncryption(settingsIn(folder))
        await using engine = await createEngine({ store, workflows: [waiting], encryption })
        const execution = await engine.start(waiting, MARKER, { id: 'w' })
        await until(async () => (await execution.explain()).reason === 'signal')
      }
      await using encryption = await openEncryption(settingsIn(folder))
      await using engine = await createEngine({ store, workflows: [waiting], encryption })
      const execution = engine.execution(waiting, 'w')
      await execution.signal(go, 'went')
      assert.equal(await execution.result(), `${MARKER} step went`)
    })
  })
}

it('without its key an execution is parked, says so, and goes on with the key', async () => {
  using file = temporaryFile('x.db')
  const store = `sqlite:${file.path}`
  const go = signal<string>('go')
  const waiting = workflow({
    name: 'waiting',
    run: async (ctx, input: string) => `${input} ${await ctx.waitFor(go)}`,
  })
  const workflows = [waiting]
  const logger = { ...jsonLogger(), error: () => {}, warn: () => {} }
  await using encryption = await openEncryption({ keys: keys() })
  await using other = await openEncryption({ keys: { privateKeys: [rsaKeys('second').privateKey] } })
  {
    await using engine = await createEngine({ store, workflows, encryption })
    const execution = await engine.start(waiting, 'hello', { id: 'w' })
    await until(async () => (await execution.explain()).reason === 'signal')
  }
  for (const given of [{}, { encryption: other }]) {
    await using engine = await createEngine({ store, workflows, logger, ...given })
    const execution = engine.execution(waiting, 'w')
    await until(async () => (await execution.describe()).status === 'parked')
    const { error } = await execution.describe()
    assert.match(error?.message ?? '', /PAYLOAD_UNREADABLE.*Give this program the key named in the message/)
    assert.match(
      error?.message ?? '',
      'encryption' in given ? /wrapped with key rsa-/ : /is encrypted with key/,
    )
  }
  await using engine = await createEngine({ store, workflows, encryption })
  const execution = engine.execution(waiting, 'w')
  await execution.signal(go, 'world')
  assert.equal(await execution.result(), 'hello world')
})

it('what was begun without encryption goes on with it, if that is said', async () => {
  using file = temporaryFile('x.db')
  const store = `sqlite:${file.path}`
  const go = signal<string>('go')
  const waiting = workflow({
    name: 'waiting',
    run: async (ctx, input: string) => `${input} ${await ctx.waitFor(go)}`,
  })
  const workflows = [waiting]
  const logger = { ...jsonLogger(), error: () => {}, warn: () => {} }
  {
    await using engine = await createEngine({ store, workflows })
    await engine.start(waiting, 'hello', { id: 'w' })
  }
  {
    await using encryption = await openEncryption({ keys: keys() })
    await using engine = await createEngine({ store, workflows, encryption, logger })
    const execution = engine.execution(waiting, 'w')
    await until(async () => (await execution.describe()).status === 'parked')
    assert.match((await execution.describe()).error?.message ?? '', /is not encrypted.*encryption\.plaintext/)
  }
  await using encryption = await openEncryption({ keys: keys(), plaintext: 'accept' })
  await using engine = await createEngine({ store, workflows, encryption })
  const execution = engine.execution(waiting, 'w')
  await execution.signal(go, 'world')
  assert.equal(await execution.result(), 'hello world')
})

it('a payload that is within the limits only without encryption is refused before it is sent', async () => {
  await using encryption = await openEncryption({ keys: keys() })
  const big = workflow({ name: 'big', run: (ctx, n: number) => ctx.step('s', () => 'a'.repeat(n)) })
  await using engine = await createEngine({
    store: 'memory',
    ...{ workflows: [big], encryption, limits: { payloadBytes: 100_000 } },
  })
  assert.equal((await (await engine.start(big, 70_000)).result()).length, 70_000)
  await assert.rejects(
    (await engine.start(big, 80_000)).result(),
    ({ cause }) => (cause as PerdureError).code === 'PAYLOAD_TOO_LARGE',
  )
})

it('says what is wrong with its settings', async () => {
  const wrong: readonly [unknown, string, RegExp][] = [
    [{}, 'ARGUMENT_INVALID', /keys is missing/],
    [{ keys: {} }, 'ARGUMENT_INVALID', /neither a publicKey nor privateKeys/],
    [
      { keys: { privateKeys: ['none.pem'] } },
      'ARGUMENT_INVALID',
      /privateKeys\[0\], none\.pem, cannot be read/,
    ],
    [{ keys: { publicKey: rsaKeys('weak', 2048).publicKey } }, 'ARGUMENT_INVALID', /3072 bits or more/],
    [{ keys: { private: 'x' } }, 'ARGUMENT_INVALID', /no option 'private'/],
    [{ keys: keys(), dataKeys: 'memory' }, 'STORE_INVALID', /sqlite:PATH/],
    [{ keys: keys(), plaintext: 'maybe' }, 'ARGUMENT_INVALID', /one of refuse, accept/],
    [{ keys: keys(), key: 1 }, 'ARGUMENT_INVALID', /no option 'key'/],
  ]
  for (const [settings, code, message] of wrong)
    await assert.rejects(openEncryption(settings as EncryptionSettings), { code, message })
  await assert.rejects(createEngine({ store: 'memory', encryption: { keys: keys() } as never }), {
    code: 'ARGUMENT_INVALID',
  })
})
