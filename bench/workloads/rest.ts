/** Starts over HTTP against a bare route in the same run; what connections cost; and what requests of ill will cost others. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  badRequest,
  type LoadMeasures,
  load,
  remoteWorker,
  requestText,
  type Target,
  watcher,
} from '../rest-load.ts'
import type { RestServerCpu, RestServerReady } from '../rest-server.ts'
import { median, rounded } from '../result.ts'
import type { Memory } from '../settled-memory.ts'
import { markdownTable, numberText, type TableOptions, type TableWorkload } from './table-workload.ts'
import { inDirectory } from './workload.ts'

interface RestRow {
  readonly workload: 'rest'
  readonly what: 'starts' | 'connected' | 'ill will'
  readonly figures: Readonly<Record<string, number>>
  readonly target: string
}

/** With the CPU time of the server, for one request. */
type StartsMeasures = LoadMeasures & RestServerCpu

const CONNECTIONS = 256
/** Requests before those that are measured: code is compiled after some thousands. */
const WARM = 20_000
const CONNECTED = 1000
const BAD = 10_000
/** Of those, at a time. */
const BAD_AT_ONCE = 100
/** Of the others, beside the bad ones. */
const OTHERS = 8
const SETTLE_MS = 3000
const AT_A_TIME = 50

export const rest: TableWorkload<RestRow> = {
  name: 'rest',
  about:
    'starts/s over HTTP with access, beside a bare Fastify route; memory of 1,000 watchers and 1,000 workers; what 10,000 bad requests cost others',
  rows: async function* (options) {
    yield await starts(options)
    yield* await connections(options)
  },
  tableOf: (rows) =>
    rows
      .map(({ what, figures, target }) =>
        markdownTable(
          [`${what} (target: ${target})`, 'measured'],
          Object.entries(figures).map(([name, value]) => [name, numberText(value)]),
        ),
      )
      .join('\n\n'),
}

class Server implements AsyncDisposable {
  readonly target: Target
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, target: Target) {
    this.#child = child
    this.target = target
  }

  static async start(
    kind: 'engine' | 'bare',
    directory: string,
    { nodeFlags }: Pick<TableOptions, 'nodeFlags'>,
  ): Promise<Server> {
    const child = fork(join(import.meta.dirname, '..', 'rest-server.ts'), [kind, directory], {
      execArgv: [...process.execArgv, ...nodeFlags],
    })
    const [ready] = (await once(child, 'message')) as [RestServerReady]
    return new Server(child, ready)
  }

  async cpu(): Promise<RestServerCpu> {
    this.#child.send('cpu')
    const [cpu] = (await once(this.#child, 'message')) as [RestServerCpu]
    return cpu
  }

  async memoryMiB(): Promise<number> {
    this.#child.send('memory')
    const [memory] = (await once(this.#child, 'message')) as [Memory]
    return memory.settledRssMiB
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.send('close')
    await exited
  }
}

async function starts(options: TableOptions): Promise<RestRow> {
  const found: Record<'engine' | 'bare', StartsMeasures[]> = { engine: [], bare: [] }
  const ratios: number[] = []
  for (let round = 0; round < options.rounds; round++) {
    const engine = await startsOf(options, 'engine')
    const bare = await startsOf(options, 'bare')
    found.engine.push(engine)
    found.bare.push(bare)
    ratios.push(engine.perSecond / bare.perSecond)
  }
  const of = (kind: 'engine' | 'bare', figure: keyof StartsMeasures): number =>
    rounded(median(found[kind].map((each) => each[figure])))
  return {
    workload: 'rest',
    what: 'starts',
    figures: {
      'starts/s': Math.round(of('engine', 'perSecond')),
      'p99, ms': of('engine', 'p99Ms'),
      'bare, requests/s': Math.round(of('bare', 'perSecond')),
      'bare, p99, ms': of('bare', 'p99Ms'),
      'CPU of a start, microseconds': of('engine', 'cpuUs'),
      'of it, the thread that answers': of('engine', 'threadUs'),
      'bare, CPU, microseconds': of('bare', 'cpuUs'),
      'bare, of it, the thread that answers': of('bare', 'threadUs'),
      'load busy, share of the time': of('engine', 'busy'),
      'bare, load busy, share of the time': of('bare', 'busy'),
      ratio: rounded(median(ratios)),
    },
    target: 'ratio 0.35 or more',
  }
}

function startsOf(options: TableOptions, kind: 'engine' | 'bare'): Promise<StartsMeasures> {
  options.progress(`rest, starts: ${kind}`)
  return inDirectory(options.directory, async (directory) => {
    await using server = await Server.start(kind, directory, options)
    const { target } = server
    const connections = options.inFlight ?? CONNECTIONS
    const text = requestText(target, 'POST', '/v1/executions', '{"workflow":"nothing"}')
    const asked = { status: 201, request: () => text }
    // By number, not by time: a slow server has to be as warm as a fast one.
    const warm = options.isQuick ? WARM / 20 : WARM
    await load(target, connections, { count: warm }, asked)
    const before = await server.cpu()
    // Not before it is over is the server closed.
    const measures = await load(target, connections, { untilMs: performance.now() + options.roundMs }, asked)
    const { cpuUs, threadUs } = await server.cpu()
    const { count } = measures
    return {
      ...measures,
      cpuUs: (cpuUs - before.cpuUs) / count,
      threadUs: (threadUs - before.threadUs) / count,
    }
  })
}

function connections(options: TableOptions): Promise<readonly RestRow[]> {
  return inDirectory(options.directory, async (directory) => {
    await using server = await Server.start('engine', directory, options)
    return [await connected(options, server), await illWill(options, server)]
  })
}

async function inTurns(
  count: number,
  call: (index: number) => Promise<void>,
  atATime = AT_A_TIME,
): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    while (next < count) await call(next++)
  }
  await Promise.all(Array.from({ length: atATime }, work))
}

async function connected(options: TableOptions, server: Server): Promise<RestRow> {
  const { target } = server
  const count = options.isQuick ? CONNECTED / 10 : CONNECTED
  const once1 = (id: string) =>
    requestText(target, 'POST', '/v1/executions', `{"workflow":"waiting","id":"${id}"}`)
  let number = 0
  const untilMs = performance.now() + options.roundMs / 10
  await load(target, 1, { untilMs }, { status: 201, request: () => once1(`w-${number++}`) })
  options.progress(`rest, ${count} watchers and ${count} workers`)
  const idle = await server.memoryMiB()
  const open: { destroy(): void }[] = []
  await inTurns(count, async () => void open.push(await watcher(target, 'w-0')))
  const watching = await server.memoryMiB()
  await inTurns(count, async () => {
    const socket = await remoteWorker(target)
    open.push({ destroy: () => socket.terminate() })
  })
  const both = await server.memoryMiB()
  for (const each of open) each.destroy()
  return {
    workload: 'rest',
    what: 'connected',
    figures: {
      'idle, MiB': Math.round(idle),
      'watchers beyond it, MiB': Math.round(watching - idle),
      'watchers and workers beyond it, MiB': Math.round(both - idle),
    },
    target: '300 MiB beyond idle at most',
  }
}

async function illWill(options: TableOptions, server: Server): Promise<RestRow> {
  const { target } = server
  const count = options.isQuick ? BAD / 100 : BAD
  const text = requestText(target, 'GET', '/v1/executions/w-0')
  const asked = { status: 200, request: () => text }
  options.progress('rest, others alone')
  await load(target, OTHERS, { untilMs: performance.now() + options.roundMs / 4 }, asked)
  const alone = await load(target, OTHERS, { untilMs: performance.now() + options.roundMs }, asked)
  const before = await server.memoryMiB()
  options.progress(`rest, ${count} bad requests`)
  let isOver = false
  const rounds: LoadMeasures[] = []
  const others = (async () => {
    while (!isOver)
      rounds.push(await load(target, OTHERS, { untilMs: performance.now() + options.roundMs / 6 }, asked))
  })()
  await inTurns(count, (index) => badRequest(target, index), BAD_AT_ONCE)
  isOver = true
  await others
  await sleep(SETTLE_MS)
  const after = await server.memoryMiB()
  const beside = median(rounds.map(({ p99Ms }) => p99Ms))
  return {
    workload: 'rest',
    what: 'ill will',
    figures: {
      'p99 of others alone, ms': rounded(alone.p99Ms),
      'p99 of others beside, ms': rounded(beside),
      'times as long': rounded(beside / alone.p99Ms),
      'memory before, MiB': Math.round(before),
      'memory after, MiB': Math.round(after),
    },
    target: '1.5 times as long at most; memory back within 10 %',
  }
}
