/** Processes of nodes, started and ended by tests. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { EngineCounters } from '../../src/engine/engine-counters.ts'

export class NodeProcess {
  readonly name: string
  readonly url: string
  readonly #process: ChildProcess
  isStopped = false

  private constructor(name: string, url: string, process: ChildProcess) {
    this.name = name
    this.url = url
    this.#process = process
  }

  /** @param coordinator URL of etcd; default: the database */
  static async start(database: string, name: string, coordinator?: string): Promise<NodeProcess> {
    const args = [database, name, ...(coordinator === undefined ? [] : [coordinator])]
    const child = fork(join(import.meta.dirname, 'node-process.ts'), args, {
      execArgv: ['--conditions=perdure-source'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const [message] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`node ${name} ended at its start with code ${code}`)
      }),
    ])) as [{ readonly url: string }]
    return new NodeProcess(name, message.url, child)
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  get exitCode(): number | null {
    return this.#process.exitCode
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

  async counters(): Promise<{ readonly counters: EngineCounters; readonly shards: number }> {
    const answered = once(this.#process, 'message')
    this.#process.send('counters')
    const [answer] = (await answered) as [{ counters: EngineCounters; shards: number }]
    return answer
  }
}
