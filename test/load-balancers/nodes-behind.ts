/** Three nodes over PostgreSQL, for load balancers to stand before; each a process of `perdure start`. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, silentLogger } from '../../src/index.ts'
import { type Started, started } from '../cli/start-process.ts'
import { freePort, PostgresServer } from '../postgres/server.ts'

const COUNT = 3

export class NodesBehind implements AsyncDisposable {
  readonly server: PostgresServer
  readonly database: { readonly name: string; readonly url: string }
  readonly #args: readonly string[]
  readonly #nodes: { readonly port: number; running: Started }[] = []

  private constructor(server: PostgresServer, database: NodesBehind['database'], args: readonly string[]) {
    this.server = server
    this.database = database
    this.#args = args
  }

  /** @param args of `perdure start`, beside where it listens and its store */
  static async start(args: readonly string[]): Promise<NodesBehind> {
    const server = await PostgresServer.start({ settings: { fsync: 'off' } })
    const nodes = new NodesBehind(server, await server.createDatabase(), args)
    for (let i = 0; i < COUNT; i++) {
      const port = await freePort()
      nodes.#nodes.push({ port, running: await nodes.#startAt(port) })
    }
    return nodes
  }

  get ports(): readonly number[] {
    return this.#nodes.map(({ port }) => port)
  }

  /** As `--nodes` wants them; with weights, if they are told. */
  list(weights: readonly number[] = []): string {
    return this.ports.map((port, i) => `127.0.0.1:${port}=${weights[i] ?? 1}`).join(',')
  }

  at(index: number): { readonly port: number; readonly name: string; readonly running: Started } {
    const node = this.#nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    return { ...node, name: `node-${node.port}` }
  }

  async kill(index: number): Promise<void> {
    const { child } = this.at(index).running
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  /** One that has ended is there again, at its port. */
  async startAgain(index: number): Promise<void> {
    const node = this.#nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    node.running = await this.#startAt(node.port)
    await this.shared(COUNT, this.ports[(index + 1) % COUNT] ?? 0)
  }

  /** Until that many nodes share the shards, as whoever is at the port says. */
  async shared(count: number, port: number): Promise<void> {
    await using client = await connect(`ws://127.0.0.1:${port}`, { logger: silentLogger })
    for (;;) {
      const shards = (await client.nodes.list()).map((node) => node.shards)
      if (shards.length === count && shards.every((each) => each >= Math.floor(256 / count))) return
      await sleep(50)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { running } of this.#nodes) running.child.kill('SIGKILL')
    await this.server[Symbol.asyncDispose]()
  }

  #startAt(port: number): Promise<Started> {
    const own = ['--store', this.database.url, '--listen', `127.0.0.1:${port}`, '--log', 'silent']
    return started([...this.#args, ...own], {
      env: { PERDURE_TRUSTED_PROXIES: '127.0.0.1', PERDURE_NODE: `node-${port}` },
    })
  }
}
