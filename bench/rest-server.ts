/** Forked by the workload `rest`: an engine over SQLite with access that answers HTTP, or a bare Fastify route that does nothing. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createEngine, silentLogger, workflow } from '../src/index.ts'
import { settledMemory } from './settled-memory.ts'

export interface RestServerReady {
  readonly port: number
  readonly key: string
}

export interface RestServerCpu {
  readonly cpuUs: number
  /** Of the thread that answers alone. */
  readonly threadUs: number
}

const CONNECTIONS = 20_000
const RULES = { id: 'bench', kind: 'certificate', groups: [], roles: ['admin@*'] } as const
/** The answers of both are of the same size. */
const ID = '01M8MHDQ4SENQ3DDB3XZT3XHS7'
const { fastify } = createRequire(import.meta.url)('fastify') as typeof import('fastify')

const nothing = workflow({ name: 'nothing', run: async () => null })
const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.sleep('1d') })

const [kind, directory = ''] = process.argv.slice(2)

function tell(message: object): void {
  process.send?.(message)
}

async function startEngine(): Promise<() => Promise<void>> {
  const engine = await createEngine({
    store: `sqlite:${join(directory, 'rest.db')}`,
    workflows: [nothing, waiting],
    logger: silentLogger,
    access: {},
    shutdownGrace: 0,
  })
  const { url } = await engine.listen({ http: { limits: { connections: CONNECTIONS } } })
  const made = await engine.access?.admin.createKey(RULES, { name: 'bench', roles: ['admin@default'] })
  tell({ port: Number(new URL(url).port), key: made?.key })
  return () => engine.close()
}

async function startBare(): Promise<() => Promise<void>> {
  const app = fastify()
  app.post('/v1/executions', async (_, reply) =>
    reply.code(201).send({ namespace: 'default', id: ID, runId: ID, started: true }),
  )
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  tell({ port: Number(new URL(address).port), key: 'none' })
  return () => app.close()
}

/** CPU time that all threads of the process have taken. */
function cpu(): RestServerCpu {
  const [all, thread] = [process.cpuUsage(), process.threadCpuUsage()]
  return { cpuUs: all.user + all.system, threadUs: thread.user + thread.system }
}

async function answer(message: unknown): Promise<void> {
  if (message === 'memory') return tell(await settledMemory())
  if (message === 'cpu') return tell(cpu())
  await close()
  process.exit(0)
}

const close = kind === 'bare' ? await startBare() : await startEngine()
process.on('message', (message) => {
  answer(message).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
