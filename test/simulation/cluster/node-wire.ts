/**
 * A connection between two nodes, over a network with faults.
 *
 * 1. Frames arrive in order, each once, until the connection ends; what is on its way then is lost.
 * 2. A direction that has lost a frame loses all that comes after it: nobody is told, only missing answers show it.
 */

import { silentLogger } from '../../../src/platform/logger.ts'
import { NodeConnection } from '../../../src/server/cluster/node-connection.ts'
import { type Side, SimulatedSocket, type Wire } from '../dispatch/simulated-socket.ts'
import type { ClusterWorld } from './cluster-world.ts'
import type { NodeProcess } from './node-process.ts'

const HEARTBEAT_MS = 1000
const CONNECT_MS = 2000
const LATE_BREAK_MS = 3000

interface End {
  readonly socket: SimulatedSocket
  process: NodeProcess | undefined
  /** Nothing that is sent from here arrives any more. */
  isDark: boolean
  /** What is sent from here arrives no earlier. */
  lastAtMs: number
}

export class NodeWire implements Wire {
  readonly #world: ClusterWorld
  /** Who has opened the connection is the `worker`, as with workers; who listens is the `engine`. */
  readonly #ends: Readonly<Record<Side, End>>
  readonly #to: string
  #isBroken = false

  constructor(world: ClusterWorld, from: NodeProcess, url: string) {
    this.#world = world
    this.#to = new URL(url).hostname
    this.#ends = {
      worker: { socket: new SimulatedSocket(this, 'worker'), process: from, isDark: false, lastAtMs: 0 },
      engine: { socket: new SimulatedSocket(this, 'engine'), process: undefined, isDark: false, lastAtMs: 0 },
    }
  }

  get asker(): SimulatedSocket {
    return this.#ends.worker.socket
  }

  has(process: NodeProcess): boolean {
    return this.#ends.worker.process === process || this.#ends.engine.process === process
  }

  get isOver(): boolean {
    const { worker, engine } = this.#ends
    return worker.socket.readyState === 3 && (engine.process === undefined || engine.socket.readyState === 3)
  }

  connect(listenerOf: (name: string) => NodeProcess | undefined): void {
    const world = this.#world
    this.#travel('worker', () => {
      const process = listenerOf(this.#to)
      const { door } = process ?? {}
      if (process === undefined || door === undefined) {
        this.#refuse(0)
        return
      }
      this.#ends.engine.process = process
      process.run(() => {
        const { socket } = this.#ends.engine
        socket.readyState = socket.OPEN
        new NodeConnection({
          socket: socket.asWebSocket,
          address: this.#ends.worker.process?.name ?? '',
          door,
          logger: silentLogger,
          heartbeatMs: HEARTBEAT_MS,
          clock: process.clock,
        })
        this.#travel('engine', ({ socket: asker }) => {
          if (asker.readyState !== 0) return
          asker.readyState = asker.OPEN
          asker.emit('open')
        })
      })
    })
    // Nobody has answered.
    world.after(CONNECT_MS, () => {
      if (this.asker.readyState === 0) this.#refuse(0)
    })
  }

  send(from: Side, frame: string): void {
    const world = this.#world
    const { counters, plan } = world
    counters.frames += 1
    if (world.draw(plan.rates.lost)) this.#ends[from].isDark = true
    this.#travel(from, ({ socket }) => {
      if (frame.includes('"rows"')) this.#count(frame)
      socket.emit('message', frame, false)
    })
    if (!world.draw(plan.rates.broken)) return
    counters.broken += 1
    counters.inFlight += 1
    this.break()
  }

  ping(from: Side): void {
    this.#travel(from, ({ socket }) => {
      socket.emit('ping')
      this.#travel(from === 'engine' ? 'worker' : 'engine', (back) => back.socket.emit('pong'))
    })
  }

  close(from: Side): void {
    const other = from === 'engine' ? 'worker' : 'engine'
    this.#travel(from, () => {
      this.#ended(other)
      this.#travel(other, () => this.#ended(from))
    })
    this.#world.after(CONNECT_MS, () => this.#ended(from))
  }

  terminate(from: Side): void {
    this.#travel(from, () => this.#ended(from === 'engine' ? 'worker' : 'engine'))
    this.#world.base.scheduler.clock.defer(() => this.#ended(from))
  }

  /** Both ends are told, one of them perhaps later. */
  break(): void {
    if (this.#isBroken) return
    this.#isBroken = true
    const world = this.#world
    const lateMs = world.random() < 0.3 ? world.upTo(LATE_BREAK_MS) : 0
    const first: Side = world.random() < 0.5 ? 'engine' : 'worker'
    this.#ended(first)
    world.after(lateMs, () => this.#ended(first === 'engine' ? 'worker' : 'engine'))
  }

  /** One end is gone with its process. Told: the system says so for it; else nobody does. */
  died(process: NodeProcess, isTold: boolean): void {
    for (const side of ['engine', 'worker'] as const) {
      const end = this.#ends[side]
      if (end.process !== process) continue
      if (isTold) this.#travel(side, () => this.#ended(side === 'engine' ? 'worker' : 'engine'))
      end.socket.readyState = end.socket.CLOSED
      end.isDark = true
    }
  }

  #refuse(lateMs: number): void {
    this.#world.after(lateMs, () =>
      this.#ends.worker.process?.run(() => {
        if (this.asker.readyState === this.asker.CLOSED) return
        this.asker.emit('error', new Error('connection refused'))
        this.#ended('worker')
      }),
    )
  }

  #travel(from: Side, arrive: (end: End) => void): void {
    const world = this.#world
    const end = this.#ends[from]
    const to = this.#ends[from === 'engine' ? 'worker' : 'engine']
    const [a, b] = from === 'worker' ? [end.process?.name, this.#to] : [this.#to, to.process?.name]
    if (world.isCut(a ?? '', b ?? '')) end.isDark = true
    if (end.isDark || this.#isBroken) {
      world.counters.framesLost += 1
      return
    }
    const atMs = Math.max(world.base.nowMs + world.upTo(world.plan.latencyMs + 1), end.lastAtMs)
    end.lastAtMs = atMs
    world.after(atMs - world.base.nowMs, () => {
      if (this.#isBroken) {
        world.counters.framesLost += 1
        return
      }
      const come = (): void => {
        if (to.socket.readyState !== to.socket.CLOSED) arrive(to)
      }
      if (to.process === undefined) arrive(to)
      else to.process.run(come)
    })
  }

  #ended(side: Side): void {
    const { socket, process } = this.#ends[side]
    process?.run(() => {
      if (socket.readyState === socket.CLOSED) return
      socket.readyState = socket.CLOSED
      socket.emit('close')
    })
  }

  /** Messages that come again. */
  #count(frame: string): void {
    const { counters, base } = this.#world
    for (const { rows = [] } of JSON.parse(frame) as { readonly rows?: readonly Numbered[] }[])
      for (const { fromShard, toShard, seq } of rows)
        if (seq <= (base.state.inbox.get(`${toShard} ${fromShard}`)?.lastSeq ?? -1)) counters.repeated += 1
  }
}

interface Numbered {
  readonly fromShard: number
  readonly toShard: number
  readonly seq: number
}
