/**
 * A network that tests can break: nodes, clients and databases reach each other through doors of it, TCP proxies on 127.0.0.1.
 *
 * 1. Who connects is known by its own loopback address (see `source-address.ts`), so that each pair of ends, and each of the two
 *    directions between them, is broken alone.
 * 2. Bytes are never lost within a connection, as in TCP: held ones arrive when the network is mended, also those of a
 *    connection that its end has given up meanwhile. So the old statement of a node that has gone on does reach the database.
 * 3. What is held is the end of a connection too: nobody hears that the other has closed.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

interface Rule {
  /** Nothing passes. */
  readonly isHeld: boolean
  readonly delayMs: number
}

const OPEN: Rule = { isHeld: false, delayMs: 0 }
/** More is left in the sockets. */
const HELD_BYTES = 1024 * 1024
const FIRST_ADDRESS = 10

interface Door {
  readonly server: Server
  readonly port: number
  /** Where it leads; undefined: nobody is there. */
  target: number | undefined
}

type Item = { readonly dueMs: number } & (
  | { readonly chunk: Buffer }
  /** The source has ended, or was lost. */
  | { readonly end: 'end' | 'reset' }
)

/** One direction of a connection. */
class Pump {
  readonly #source: Socket
  readonly #target: Socket
  readonly #rule: () => Rule
  readonly #queue: Item[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  #hasEnded = false

  constructor(source: Socket, target: Socket, rule: () => Rule) {
    this.#source = source
    this.#target = target
    this.#rule = rule
    source.on('data', (chunk) => {
      this.#bytes += chunk.length
      this.#add({ chunk, dueMs: this.#dueMs() })
    })
    source.on('end', () => this.#end('end'))
    source.on('close', () => this.#end('reset'))
    target.on('drain', () => this.flush())
  }

  #dueMs(): number {
    return performance.now() + this.#rule().delayMs
  }

  #end(end: 'end' | 'reset'): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#add({ end, dueMs: this.#dueMs() })
  }

  #add(item: Item): void {
    this.#queue.push(item)
    this.flush()
  }

  flush(): void {
    clearTimeout(this.#timer)
    while (!this.#rule().isHeld && !this.#target.writableNeedDrain) {
      const [item] = this.#queue
      if (item === undefined) break
      const waitMs = item.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.flush(), waitMs)
        break
      }
      this.#queue.shift()
      if ('chunk' in item) {
        this.#bytes -= item.chunk.length
        this.#target.write(item.chunk)
      } else if (item.end === 'end') this.#target.end()
      else this.#target.resetAndDestroy()
    }
    if (this.#bytes > HELD_BYTES) this.#source.pause()
    else this.#source.resume()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

interface Connection {
  readonly from: string
  readonly to: string
  readonly sockets: readonly [Socket, Socket]
  readonly pumps: readonly [Pump, Pump]
}

export class TestNetwork implements AsyncDisposable {
  readonly #doors = new Map<string, Door>()
  readonly #addresses = new Map<string, string>()
  /** Of a direction, `from>to`. */
  readonly #rules = new Map<string, Rule>()
  /** Pairs whose connections are refused, in both directions. */
  readonly #cuts = new Set<string>()
  readonly #connections = new Set<Connection>()

  /** Ends have addresses of their own: elsewhere loopback has only one, and nobody is known. */
  static readonly isMany = process.platform === 'linux'

  /** The address from which that end connects. */
  addressOf(end: string): string {
    const known = this.#addresses.get(end)
    if (known !== undefined) return known
    const address = `127.0.0.${FIRST_ADDRESS + this.#addresses.size}`
    this.#addresses.set(end, address)
    return address
  }

  /** Opens the door to that end, on a port of 127.0.0.1. It leads nowhere until it is aimed. */
  async open(end: string): Promise<number> {
    const known = this.#doors.get(end)
    if (known !== undefined) return known.port
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(end, socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    this.#doors.set(end, { server, port: address.port, target: undefined })
    return address.port
  }

  /** Where the door leads from now on; undefined: to nobody. */
  aim(end: string, port: number | undefined): void {
    const door = this.#doors.get(end)
    if (door === undefined) throw new Error(`there is no door to ${end}`)
    door.target = port
  }

  /** Bytes from the one to the other wait until it is mended. */
  hold(from: string, to: string): void {
    this.#rule(from, to, { ...this.#ruleOf(from, to), isHeld: true })
  }

  delay(from: string, to: string, delayMs: number): void {
    this.#rule(from, to, { ...this.#ruleOf(from, to), delayMs })
  }

  /** Connections between the two are reset, and new ones refused. */
  cut(a: string, b: string): void {
    for (const pair of [`${a}>${b}`, `${b}>${a}`]) this.#cuts.add(pair)
    this.reset(a, b)
  }

  /** Connections between the two are reset; they may connect again. */
  reset(a: string, b: string): void {
    for (const { from, to, sockets, pumps } of this.#connections) {
      if (!((from === a && to === b) || (from === b && to === a))) continue
      for (const pump of pumps) pump.stop()
      for (const socket of sockets) socket.resetAndDestroy()
    }
  }

  /** How many connections there are between the two. */
  connections(a: string, b: string): number {
    let count = 0
    for (const { from, to } of this.#connections)
      if ((from === a && to === b) || (from === b && to === a)) count += 1
    return count
  }

  /** Everything between the two is as it should be; what was held is on its way. */
  mend(a: string, b: string): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      this.#cuts.delete(`${from}>${to}`)
      this.#rule(from, to, OPEN)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { sockets, pumps } of this.#connections) {
      for (const pump of pumps) pump.stop()
      for (const socket of sockets) socket.destroy()
    }
    await Promise.all(
      [...this.#doors.values()].map(({ server }) => new Promise((done) => server.close(done))),
    )
  }

  #ruleOf(from: string, to: string): Rule {
    return this.#rules.get(`${from}>${to}`) ?? OPEN
  }

  #rule(from: string, to: string, rule: Rule): void {
    this.#rules.set(`${from}>${to}`, rule)
    for (const connection of this.#connections) for (const pump of connection.pumps) pump.flush()
  }

  #endAt(address: string | undefined): string {
    for (const [end, known] of this.#addresses) if (known === address) return end
    return 'somebody'
  }

  #accept(to: string, socket: Socket): void {
    const from = this.#endAt(socket.remoteAddress)
    const target = this.#doors.get(to)?.target
    socket.on('error', () => undefined)
    if (target === undefined || this.#cuts.has(`${from}>${to}`)) {
      socket.resetAndDestroy()
      return
    }
    const other = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    other.on('error', () => undefined)
    const connection: Connection = {
      from,
      to,
      sockets: [socket, other],
      pumps: [
        new Pump(socket, other, () => this.#ruleOf(from, to)),
        new Pump(other, socket, () => this.#ruleOf(to, from)),
      ],
    }
    this.#connections.add(connection)
    const forget = (): void => {
      if (socket.closed && other.closed) this.#connections.delete(connection)
    }
    socket.once('close', forget)
    other.once('close', forget)
  }
}
