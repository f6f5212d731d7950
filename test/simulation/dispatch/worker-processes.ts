/** The workers of a simulation: each is a process that comes back when it is gone, and connects to the engine. */
import { silentLogger } from '../../../src/platform/logger.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import { WorkerConnection } from '../../../src/server/listen/worker-connection.ts'
import type { OpenedEngine } from '../../../src/server/open-engine.ts'
import type { DispatchWorld } from './dispatch-world.ts'
import { Link, type LinkProcess } from './link.ts'
import { WorkerProcess } from './worker-process.ts'

const DOWN_MS = 3000

export const LABEL = { disk: 'fast' }

export class WorkerProcesses {
  readonly processes: (WorkerProcess | undefined)[] = []
  readonly #world: DispatchWorld
  readonly #opened: OpenedEngine
  readonly #links = new Set<Link>()
  #connections = 0
  #tokens = 0

  constructor(world: DispatchWorld, opened: OpenedEngine) {
    this.#world = world
    this.#opened = opened
    const { crew } = opened.engine.tasks
    world.takenOf = (worker) => {
      for (const { id, taken, givenUp } of crew.members()) if (id === worker) return taken + givenUp
      return 0
    }
    for (let at = 0; at < world.plan.workers; at++) this.#start(at)
  }

  creditsOf(at: number): number {
    return Math.max(1, this.#world.plan.credits - (at % 3))
  }

  nameOf(at: number): string | undefined {
    return at % 2 === 0 ? `w${at}` : undefined
  }

  /** Connections that cannot be told from good ones by their ends. */
  endFaults(): void {
    for (const link of this.#links) if (link.hasFault) link.break()
  }

  #start(at: number): void {
    const world = this.#world
    const id = this.nameOf(at)
    world.base.note(`process ${at} starts`)
    this.processes[at] = new WorkerProcess({
      world,
      slowness: at % 4 === 3 ? 5 : 1,
      settings: {
        concurrency: this.creditsOf(at),
        capacity: { cpu: 4, memoryMb: 1024 },
        ...(at === 0 ? { labels: LABEL } : {}),
        ...(id === undefined ? {} : { id }),
      },
      connect: (process) => this.#connect(at, process),
      onGone: () => {
        this.processes[at] = undefined
        world.after(1 + Math.floor(world.random() ** 3 * DOWN_MS), () => this.#start(at))
      },
    })
  }

  #connect(at: number, process: LinkProcess): Link {
    const world = this.#world
    const link = new Link(world, ++this.#connections, process)
    world.base.note(`process ${at} connects by link ${link.number}`)
    world.after(world.upTo(world.plan.latencyMs + 1), () => {
      if (!process.isAlive) return
      if (world.draw(world.plan.refused)) {
        world.counters.refused += 1
        link.refused()
        return
      }
      world.counters.connections += 1
      this.#links.add(link)
      link.engine.on('close', () => this.#links.delete(link))
      link.accepted()
      this.#accept(link)
    })
    return link
  }

  #accept(link: Link): void {
    const { engine } = this.#opened
    const { attempts, crew } = engine.tasks
    const { clock } = this.#world.base.scheduler
    new WorkerConnection({
      socket: link.engine.asWebSocket,
      address: `link ${link.number}`,
      attempts,
      crew,
      workflows: this.#opened.workflows,
      host: engine,
      // What it says is on the wire at once: the books see it when it is said.
      clock: {
        nowMs: () => clock.nowMs(),
        after: (ms, call) => clock.after(ms, call),
        defer: (call) => call(),
      },
      logger: silentLogger,
      newToken: () => `k${++this.#tokens}`,
      heartbeatMs: this.#world.plan.heartbeatMs,
      limits: DEFAULT_LIMITS,
      guarded: engine.guarded((call) => call()),
    })
  }
}
