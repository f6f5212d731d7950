/** The nodes of a cluster, each with its lives, and what disturbs them. */
import type { WebSocket } from 'ws'
import type { Calls } from '../calls.ts'
import type { Instance } from '../instance.ts'
import type { ClusterWorld } from './cluster-world.ts'
import { NodeProcess } from './node-process.ts'
import { NodeWire } from './node-wire.ts'

/** A node stays away for at most so long; half of them are back before they are missed. */
const DOWN_MS = 6000
const PAUSE_MS = 9000
const CUT_MS = 7000
const FAIL_OVER_MS = 12_000
/** So much an asynchronous standby lacks. */
const BEHIND_MS = 100
const QUIET_CHECK_MS = 50
/** By then all faults have been noticed, and each shard has an owner. */
const SETTLED_MS = 20_000
const REST_CHECKS = 400
/** The chance that the others hear of the end of a node from its system. */
const TOLD_SHARE = 0.6

interface Place {
  readonly name: string
  process: NodeProcess
  isOpen: boolean
  isClosing: boolean
}

export class ClusterLife {
  readonly #world: ClusterWorld
  readonly #places: Place[] = []
  #wires: NodeWire[] = []
  #calls: Calls | undefined
  #lives = 0
  #isOver = false

  constructor(world: ClusterWorld) {
    this.#world = world
  }

  begin(calls: Calls): void {
    this.#calls = calls
    for (let i = 0; i < this.#world.plan.nodes; i++) this.#add()
  }

  get processes(): readonly NodeProcess[] {
    return this.#places.map(({ process }) => process)
  }

  /** A client asks any node that listens: it does not know how that one is. */
  get someNode(): Instance | undefined {
    const open = this.#places.filter(({ isOpen, process }) => isOpen && process.isAlive)
    return open[this.#world.upTo(open.length)]?.process
  }

  /** Between two macrotasks. */
  disturb(): void {
    const world = this.#world
    const { base, counters, plan } = world
    const { rates } = plan
    if (!base.isFaulty) return
    if (base.drawCrash('between-tasks')) this.#some()?.process.kill('between-tasks')
    // One draw for all: this is asked very often.
    let share = world.random()
    const isIt = (rate: number): boolean => {
      const isDrawn = share >= 0 && share < rate
      share -= rate
      return isDrawn
    }
    if (isIt(rates.pause)) this.#pause()
    if (isIt(rates.databaseCut)) this.#cutDatabase()
    if (isIt(rates.cut)) this.#cutNodes()
    if (isIt(rates.leave)) this.#leave()
    if (isIt(rates.join) && this.#places.length < plan.mostNodes) this.#add()
    if (isIt(rates.failOver)) this.#failOver()
    if (isIt(rates.fenced)) {
      const { session } = this.#some()?.process.store ?? {}
      const row = session === undefined ? undefined : base.state.sessions.get(session.id)
      if (row === undefined || row.fenced) return
      row.fenced = true
      counters.fencedByOthers += 1
      base.note(`session ${session?.id} is fenced by another`)
    }
  }

  /** Nodes move again, and reach their database. */
  heal(): void {
    for (const { process } of this.#places) {
      process.healDatabase()
      process.resume()
    }
  }

  /** I14, without anybody's help: when all nodes have come to rest, nothing is left that code or steps would have to do. */
  async rest(calls: Calls): Promise<void> {
    const { base, plan } = this.#world
    await calls.pause(SETTLED_MS)
    const isAtRest = (): boolean => this.#places.every(({ isOpen, process }) => isOpen && process.isAtRest)
    for (let check = 0; check < REST_CHECKS && !isAtRest(); check++) await calls.pause(QUIET_CHECK_MS)
    const owned = this.#places.map(({ process }) => process.engine?.shards ?? 0)
    if (owned.reduce((sum, each) => sum + each, 0) !== plan.shards)
      base.faults.push(`I14: of ${plan.shards} shards the nodes have ${owned.join('+')}, without any faults`)
    if (!isAtRest()) return
    base.state.recoverable.ascend(undefined, ({ runId, row }) => {
      if (row?.status === 'running') base.faults.push(`I14: ${runId} has work to do, and the nodes rest`)
      return true
    })
  }

  /** All work has ended: so must the calls, and the nodes must come to rest. */
  async finish(calls: Calls): Promise<void> {
    const { base } = this.#world
    while (!this.#places.every(({ process }) => process.engine?.isQuiet === true))
      await calls.pause(QUIET_CHECK_MS)
    await calls.pause(SETTLED_MS)
    for (const call of calls.outstanding)
      base.faults.push(`I14: ${call}, was not answered after all work has ended`)
    this.#isOver = true
    for (const { process } of this.#places) {
      if (process.store.inFlight > 0) base.faults.push('a commit is in flight after all work has ended')
      await process.engine?.close()
      process.kill('closed')
    }
  }

  #some(): Place | undefined {
    const alive = this.#places.filter(({ process }) => process.isAlive)
    return alive[this.#world.upTo(alive.length)]
  }

  #pause(): void {
    const { base, counters } = this.#world
    const place = this.#some()
    if (place === undefined || place.process.isHeld) return
    const ms = 20 + Math.floor(this.#world.random() ** 2 * PAUSE_MS)
    counters.pauses += 1
    if (place.process.isBusy) counters.inFlight += 1
    base.note(`${place.name} stands still for ${ms} ms`)
    place.process.pause(ms)
  }

  #cutDatabase(): void {
    const { base, counters } = this.#world
    const place = this.#some()
    if (place === undefined || place.process.cut() !== undefined) return
    const ms = 50 + Math.floor(this.#world.random() ** 2 * CUT_MS)
    counters.databaseCuts += 1
    if (place.process.isBusy) counters.inFlight += 1
    base.note(`${place.name} does not reach the database for ${ms} ms`)
    place.process.cutDatabase(ms)
  }

  /** An asynchronous standby is behind for a moment, and then it is the database: all sessions are of the one before. */
  #failOver(): void {
    const { base, isAsynchronous } = this.#world
    if (!isAsynchronous) {
      this.#move()
      return
    }
    base.isStandbyBehind = true
    this.#world.after(BEHIND_MS, () => {
      base.isStandbyBehind = false
      for (const session of base.state.sessions.values()) session.fenced = true
      this.#move()
    })
  }

  /** No node reaches the database for a while; what was on its way there is in, or is lost. */
  #move(): void {
    const { base, counters } = this.#world
    const ms = 200 + Math.floor(this.#world.random() * FAIL_OVER_MS)
    counters.failOvers += 1
    if (this.#places.some(({ process }) => process.isAlive && process.isBusy)) counters.inFlight += 1
    base.note(`the database moves to its standby, for ${ms} ms`)
    for (const { process } of this.#places)
      if (process.isAlive && process.cut() === undefined) process.cutDatabase(ms)
  }

  #cutNodes(): void {
    const { base, counters } = this.#world
    const [from, to] = [this.#some(), this.#some()]
    if (from === undefined || to === undefined || from === to) return
    const ms = 50 + Math.floor(this.#world.random() ** 2 * CUT_MS)
    counters.cuts += 1
    base.note(`nothing gets from ${from.name} to ${to.name} for ${ms} ms`)
    this.#world.cut(from.name, to.name, ms)
    if (this.#world.random() < 0.4) this.#world.cut(to.name, from.name, ms)
  }

  #leave(): void {
    const { base, counters } = this.#world
    const place = this.#some()
    const engine = place?.process.engine
    if (place === undefined || engine === undefined || !place.isOpen || place.isClosing) return
    place.isClosing = true
    counters.leaves += 1
    if (place.process.isBusy) counters.inFlight += 1
    base.note(`${place.name} leaves`)
    const { process } = place
    process.run(() => {
      engine.close().then(
        () => this.#world.after(1, () => process.kill('closed')),
        (error) => base.faults.push(`close failed: ${error}`),
      )
    })
  }

  #add(): void {
    const name = `node-${this.#places.length + 1}`
    this.#places.push({ name, process: this.#create(name), isOpen: false, isClosing: false })
    this.#open(name)
  }

  #create(name: string): NodeProcess {
    this.#lives += 1
    const process: NodeProcess = new NodeProcess({
      cluster: this.#world,
      name,
      number: this.#lives,
      onDeath: () => this.#died(process),
      open: (from, url) => this.#connect(from, url),
    })
    return process
  }

  #open(name: string): void {
    const { base } = this.#world
    const place = this.#places.find((each) => each.name === name)
    if (place === undefined) return
    const { process } = place
    process.open().then(
      () => {
        if (!process.isAlive) return
        place.isOpen = true
        this.#calls?.becameReady()
      },
      (error) => {
        if (!process.isAlive) return
        base.note(`${name} did not open: ${error}`)
        if (!base.isFaulty) base.faults.push(`${name} did not open: ${error}`)
        process.kill('failed')
      },
    )
  }

  #connect(from: NodeProcess, url: string): WebSocket {
    this.#wires = this.#wires.filter(({ isOver }) => !isOver)
    const wire = new NodeWire(this.#world, from, url)
    this.#wires.push(wire)
    wire.connect((name) => {
      const process = this.#places.find((place) => place.name === name)?.process
      return process?.isAlive === true ? process : undefined
    })
    return wire.asker.asWebSocket
  }

  #died(process: NodeProcess): void {
    const world = this.#world
    const isTold = world.random() < TOLD_SHARE
    for (const wire of this.#wires) if (wire.has(process)) wire.died(process, isTold)
    const place = this.#places.find((each) => each.process === process)
    if (place === undefined || this.#isOver) return
    place.isOpen = false
    const downMs = 1 + Math.floor(world.random() ** 2 * DOWN_MS)
    world.after(downMs, () => {
      place.isClosing = false
      place.process = this.#create(place.name)
      this.#open(place.name)
    })
  }
}
