// Whatever runs against an embedded engine runs against its URL, unchanged.
import { after, before, describe, test } from 'node:test'
import { type Client, createClient } from '../../src/client.ts'
import { createEngine, type Engine, silentLogger } from '../../src/index.ts'
import { tasks, workflows } from './conformance-parts.ts'
import { executionCases } from './execution-cases.ts'
import { otherCases, taskCases } from './other-cases.ts'

/** Each runs against both, unchanged. */
const cases = [...executionCases, ...taskCases, ...otherCases]

const open = () => createEngine({ store: 'memory', workflows, tasks, logger: silentLogger, shutdownGrace: 0 })

const clients: Readonly<Record<string, (engine: Engine) => Promise<Client>>> = {
  'an embedded engine': async (engine) => engine,
  'the URL of an engine': async (engine) =>
    createClient({ url: (await engine.listen()).url.replace('ws', 'http') }),
}

for (const [name, clientOf] of Object.entries(clients))
  describe(`a client of ${name}`, () => {
    let engine: Engine
    let client: Client
    before(async () => {
      engine = await open()
      client = await clientOf(engine)
    })
    after(() => engine.close())
    for (const each of cases) test(each.name, { timeout: 60_000 }, () => each.run(client))
  })
