/**
 * A connection between the engine and a worker, over a network with faults.
 *
 * 1. As a WebSocket gives them, frames arrive in order, each once, until the connection ends; what is on its way then may
 *    be lost. Darkness swallows all that comes after it, and nobody is told: only missing answers show it.
 * 2. A loose network takes frames apart, and loses, repeats and reorders messages one by one, which no WebSocket does: the
 *    engine must stay right all the same. A connection that has lost something ends soon. Messages that say how many or
 *    who (`hello`, `welcome`, `credits`) are neither repeated nor reordered: the last one counts.
 * 3. An end that was closed hears nothing any more.
 */
import type { WireMessage } from './dispatch-books.ts'
import type { DispatchWorld } from './dispatch-world.ts'
import { type Side, SimulatedSocket, type Wire } from './simulated-socket.ts'

const LATE_MS = 4000
const GAP_MS = 2000
/** One end may believe in a broken connection for so long. */
const HALF_OPEN_MS = 3000
/** `ws` waits so long for the other end to answer a close. */
const CLOSE_TIMEOUT_MS = 30_000
const COPIES_MAX = 3

interface Direction {
  readonly to: Side
  /** What keeps its order arrives no earlier. */
  lastAtMs: number
  sent: number
  newest: number
  isDark: boolean
}

/** The process at the worker's end. */
export interface LinkProcess {
  readonly isAlive: boolean
  /** Now, or when it moves again; never if it is dead. */
  run(call: () => void): void
  /** Something was said: faults that hit processes are drawn. */
  disturb(): void
}

interface Parcel {
  readonly isOrdered: boolean
  readonly extraMs: number
  readonly messages: number
}

/** A sign of life, or of the end. */
const NOTHING: Parcel = { isOrdered: true, extraMs: 0, messages: 0 }
const ORDERED = new Set(['hello', 'welcome', 'credits'])

export class Link implements Wire {
  readonly number: number
  readonly engine: SimulatedSocket
  readonly worker: SimulatedSocket
  readonly #world: DispatchWorld
  readonly #process: LinkProcess
  readonly #toEngine: Direction = { to: 'engine', lastAtMs: 0, sent: 0, newest: 0, isDark: false }
  readonly #toWorker: Direction = { to: 'worker', lastAtMs: 0, sent: 0, newest: 0, isDark: false }
  #isBroken = false
  #isEnding = false

  constructor(world: DispatchWorld, number: number, process: LinkProcess) {
    this.#world = world
    this.number = number
    this.#process = process
    this.engine = new SimulatedSocket(this, 'engine')
    this.worker = new SimulatedSocket(this, 'worker')
  }

  /** It has lost something, or will. */
  get hasFault(): boolean {
    return this.#isEnding || this.#toEngine.isDark || this.#toWorker.isDark
  }

  /** The engine has taken the connection; the worker hears of it later. */
  accepted(): void {
    this.engine.readyState = this.engine.OPEN
    this.#travel(this.#toWorker, () => {
      if (this.worker.readyState !== 0) return
      this.worker.readyState = this.worker.OPEN
      this.worker.emit('open')
    })
  }

  refused(): void {
    this.#process.run(() => {
      this.worker.emit('error', new Error('connection refused'))
      this.#ended('worker')
    })
  }

  send(from: Side, frame: string): void {
    const direction = this.#from(from)
    const messages = JSON.parse(frame) as WireMessage[]
    const { books, plan } = this.#world
    if (from === 'engine') for (const message of messages) books.engineSays(this.number, message)
    if (!plan.isLoose) this.#put(direction, frame, messages)
    else for (const message of messages) this.#put(direction, `[${JSON.stringify(message)}]`, [message])
    if (from === 'worker') this.#meddle()
    this.#disturb()
  }

  ping(from: Side): void {
    this.#travel(this.#from(from), (to) => {
      to.emit('ping')
      this.#travel(this.#from(from === 'engine' ? 'worker' : 'engine'), (back) => back.emit('pong'))
    })
  }

  close(from: Side): void {
    const direction = this.#from(from)
    this.#travel(direction, () => {
      this.#ended(direction.to)
      this.#travel(from === 'engine' ? this.#toEngine : this.#toWorker, () => this.#ended(from))
    })
    this.#world.after(CLOSE_TIMEOUT_MS, () => this.#ended(from))
  }

  terminate(from: Side): void {
    this.#world.counters.silent += 1
    const direction = this.#from(from)
    this.#travel(direction, () => this.#ended(direction.to))
    // Before any other macrotask, and before promises, as the sockets of the system do.
    process.nextTick(() => this.#ended(from))
  }

  /** Both ends are told, at different times. What is on its way is lost. */
  break(): void {
    if (this.#isBroken) return
    this.#isBroken = true
    const world = this.#world
    world.base.note(`link ${this.number} breaks`)
    const lateMs = world.random() < 0.3 ? world.upTo(HALF_OPEN_MS) : 0
    const isEngineLate = world.random() < 0.5
    world.after(isEngineLate ? lateMs : 0, () => this.#ended('engine'))
    world.after(isEngineLate ? 0 : lateMs, () => this.#ended('worker'))
  }

  /** The worker's end is gone with its process. Told: the system says so for it; else nobody does. */
  died(isTold: boolean): void {
    this.worker.readyState = this.worker.CLOSED
    if (isTold) this.#travel(this.#toEngine, () => this.#ended('engine'))
  }

  /** Sends something in the name of the worker that its code has not said. */
  forge(frame: string, messages: readonly WireMessage[]): void {
    this.#world.counters.messages += 1
    this.#later(this.#toEngine, { frame, messages, isOrdered: false, extraMs: 0 })
  }

  #from(side: Side): Direction {
    return side === 'engine' ? this.#toWorker : this.#toEngine
  }

  #put(direction: Direction, frame: string, messages: readonly WireMessage[]): void {
    const world = this.#world
    const { counters, plan } = world
    const { rates } = plan
    counters.messages += messages.length
    if (direction.isDark || this.#isBroken) {
      counters.lost += messages.length
      return
    }
    if (world.draw(rates.lost)) {
      counters.lost += messages.length
      world.base.note(`link ${this.number} loses ${messages.map(({ type }) => type).join()}`)
      this.#endSoon()
      return
    }
    const mayVary = plan.isLoose && !messages.some(({ type }) => ORDERED.has(type))
    const copies = mayVary && world.draw(rates.duplicated) ? 2 + world.upTo(COPIES_MAX - 1) : 1
    counters.duplicated += copies - 1
    counters.messages += copies - 1
    for (let copy = 0; copy < copies; copy++) {
      const isLate = world.draw(rates.late)
      if (isLate) counters.late += messages.length
      const isOrdered = !mayVary || !(copy > 0 || isLate || world.draw(rates.reordered))
      const extraMs = isLate ? world.upTo(LATE_MS) : isOrdered ? 0 : world.upTo(4 * plan.latencyMs + 6)
      this.#later(direction, { frame, messages, isOrdered, extraMs })
    }
  }

  #later(
    direction: Direction,
    what: Omit<Parcel, 'messages'> & { readonly frame: string; readonly messages: readonly WireMessage[] },
  ): void {
    const { frame, messages, isOrdered, extraMs } = what
    const number = ++direction.sent
    this.#travel(
      direction,
      () => {
        const { counters } = this.#world
        if (number < direction.newest) counters.reordered += messages.length
        else direction.newest = number
        this.#arrive(direction.to, frame, messages)
      },
      { isOrdered, extraMs, messages: messages.length },
    )
  }

  #arrive(to: Side, frame: string, messages: readonly WireMessage[]): void {
    const { base, counters, books } = this.#world
    counters.delivered += messages.length
    for (const { type, token, run, total } of messages)
      base.note(`${this.number}>${to} ${type} ${token ?? run ?? total ?? ''}`)
    const tell = (): void => void this[to].emit('message', frame, false)
    if (to === 'worker') tell()
    else books.delivered(this.number, messages, tell)
  }

  /** Takes its time on the wire, and comes out at the other end if that is still there. */
  #travel(
    direction: Direction,
    arrive: (socket: SimulatedSocket) => void,
    { isOrdered, extraMs, messages }: Parcel = NOTHING,
  ): void {
    if (direction.isDark) return
    const world = this.#world
    const { base, counters, plan } = world
    const { to } = direction
    let atMs = base.nowMs + world.upTo(plan.latencyMs + 1) + extraMs
    if (isOrdered) {
      atMs = Math.max(atMs, direction.lastAtMs)
      direction.lastAtMs = atMs
    }
    const come = (): void => {
      const socket = this[to]
      if (socket.readyState === socket.CLOSED) counters.undelivered += messages
      else arrive(socket)
    }
    world.after(atMs - base.nowMs, () => {
      if (this.#isBroken) counters.lost += messages
      else if (to === 'engine') come()
      else if (this.#process.isAlive) this.#process.run(come)
      else counters.undelivered += messages
    })
  }

  #ended(side: Side): void {
    const socket = this[side]
    if (socket.readyState === socket.CLOSED) return
    const end = (): void => {
      if (socket.readyState === socket.CLOSED) return
      socket.readyState = socket.CLOSED
      this.#world.base.note(`link ${this.number} ended for the ${side}`)
      if (side === 'engine') this.#world.books.closed(this.number)
      socket.emit('close')
    }
    if (side === 'engine') end()
    else this.#process.run(end)
  }

  /** A connection that has lost something does not last. */
  #endSoon(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#world.after(this.#world.upTo(GAP_MS), () => this.break())
  }

  #disturb(): void {
    const world = this.#world
    const { rates } = world.plan
    if (world.draw(rates.broken)) {
      world.counters.broken += 1
      this.break()
    }
    if (world.draw(rates.dark)) {
      world.counters.dark += 1
      const which = world.upTo(3)
      world.base.note(`link ${this.number} is dark ${which}`)
      if (which !== 1) this.#toEngine.isDark = true
      if (which !== 0) this.#toWorker.isDark = true
    }
    this.#process.disturb()
  }

  /** Somebody else, or a worker that is not right, says something too. */
  #meddle(): void {
    const world = this.#world
    if (!world.books.isOpen(this.number)) return
    if (world.draw(world.plan.rates.forged)) {
      world.counters.forged += 1
      const message = world.books.forgedReport(this.number)
      this.forge(`[${JSON.stringify(message)}]`, [message])
    }
    if (world.draw(world.plan.rates.garbage)) {
      world.counters.garbage += 1
      this.forge('[{"type":"completed","token":7}]', [{ type: 'garbage' }])
    }
  }
}
