/** Encrypted payloads of an engine on PostgreSQL: nothing of them is in the files of the server, its log of writes included. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createEngine, openEncryption, silentLogger, workflow } from '../../src/index.ts'
import { PostgresServer } from '../postgres/server.ts'
import { everyOperation, filesWithMarker, MARKER, TASKS, WORKFLOWS } from './every-operation.ts'
import { rsaKeys } from './rsa-keys.ts'

it('every operation works, and no file of the server has a word of it', { timeout: 120_000 }, async () => {
  // Uncompressed, so that a word could be found.
  await using server = await PostgresServer.start({ settings: { fsync: 'off', wal_compression: 'off' } })
  const store = (await server.createDatabase()).url
  const dataKeys = (await server.createDatabase()).url
  const keys = { privateKeys: [rsaKeys().privateKey] }
  {
    await using encryption = await openEncryption({ keys, dataKeys })
    const options = { logger: silentLogger, workflows: WORKFLOWS, tasks: TASKS, encryption }
    await using engine = await createEngine({ store, ...options })
    await everyOperation(engine, 'postgres')
  }
  await server.query('checkpoint')
  assert.deepEqual(filesWithMarker(server.data), [])
  {
    // Without encryption the same search finds it.
    const plain = workflow({ name: 'plain', run: async (_, input: string) => input })
    await using engine = await createEngine({ store, logger: silentLogger, workflows: [plain] })
    await (await engine.start(plain, MARKER)).result()
  }
  await server.query('checkpoint')
  const found = filesWithMarker(server.data)
  assert.ok(found.some((name) => name.startsWith('pg_wal')))
  assert.ok(found.some((name) => name.startsWith('base')))
})
