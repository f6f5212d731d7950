/** A node whose database is away closes all the same. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, silentLogger, workflow } from '../../src/index.ts'
import { temporaryFolder } from '../audit/audited-engine.ts'
import { PostgresServer } from './server.ts'

const quick = workflow({ name: 'quick', run: async (_, value: number) => value })

for (const isAudited of [false, true])
  test(`a node closes though its database is away, ${isAudited ? 'with' : 'without'} an audit trail`, async () => {
    await using server = await PostgresServer.start({ settings: { fsync: 'off' } })
    const { url } = await server.createDatabase()
    using folder = temporaryFolder()
    const engine = await createEngine({
      store: url,
      cluster: { name: 'node-1' },
      workflows: [quick],
      logger: silentLogger,
      shutdownGrace: 0,
      ...(isAudited ? { audit: { signingKeyFile: join(folder.path, 'key.pem') } } : {}),
    })
    const done = await engine.start(quick, 1, { id: 'a' })
    assert.equal(await done.result(), 1)
    await server.stop('immediate')
    const late = engine.start(quick, 2, { id: 'b' }).then(
      () => 'started',
      ({ code }) => code,
    )
    await sleep(20)
    // It hung for ever: a minute is long enough on any machine.
    const outcome = await Promise.race([
      engine.close().then(() => 'closed'),
      sleep(60_000, 'open', { ref: false }),
    ])
    assert.equal(outcome, 'closed')
    assert.equal(await late, 'ENGINE_CLOSED')
  })
