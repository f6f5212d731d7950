/** Processes of nodes, started and ended by tests. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { EngineCounters } from '../../src/engine/engine-counters.ts'

export interface NodeProcessOptions {
  /** Where the others reach it, if that is not where it listens. */
  readonly address?: string
  /** URL of etcd. Default: the database. */
  readonly coordinator?: string
  /** Default: this version's `node-process.ts`, on the sources. */
  readonly program?: string
  readonly execArgv?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
}

/** What it has told last. Nodes of earlier versions may not count all of it. */
export interface NodeState {
  readonly counters: EngineCounters
  readonly shards: number
}

const PROGRAM = join(import.meta.dirname, 'node-process.ts')

export class NodeProcess {
  readonly name: string
  /** Where it listens. */
  readonly url: string
  readonly #process: ChildProcess
  #state: NodeState | undefined
  isStopped = false

  private constructor(name: string, url: string, process: ChildProcess) {
    this.name = name
    this.url = url
    this.#process = process
    process.on('message', (message: Partial<NodeState>) => {
      const { counters, shards } = message
      if (counters !== undefined && shards !== undefined) this.#state = { counters, shards }
    })
  }

  static async start(database: string, name: string, options: NodeProcessOptions = {}): Promise<NodeProcess> {
    const {
      address = '',
      coordinator = '',
      program = PROGRAM,
      execArgv = ['--conditions=perdure-source'],
      env = process.env,
    } = options
    const child = fork(program, [database, name, address, coordinator], {
      execArgv: [...execArgv],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env,
    })
    const [message] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code, signal]) => {
        throw new Error(`node ${name} ended at its start with ${code ?? signal}`)
      }),
    ])) as [{ readonly url: string }]
    return new NodeProcess(name, message.url, child)
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  get exitCode(): number | null {
    return this.#process.exitCode
  }

  /** As it was told last: a node tells it whenever it changes, a few times a second. */
  get state(): NodeState | undefined {
    return this.#state
  }

  async kill(): Promise<void> {
    if (this.hasEnded) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  stop(): void {
    this.isStopped = true
    this.#process.kill('SIGSTOP')
  }

  go(): void {
    this.isStopped = false
    this.#process.kill('SIGCONT')
  }

  /** It hands over what it has, and ends. */
  async leave(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.send('leave')
    await ended
  }

  async counters(): Promise<NodeState> {
    this.#process.send('counters')
    for (;;) {
      const [answer] = (await once(this.#process, 'message')) as [Partial<NodeState> & { isAnswer?: true }]
      const { counters, shards, isAnswer } = answer
      if (isAnswer === true && counters !== undefined && shards !== undefined) return { counters, shards }
    }
  }
}
