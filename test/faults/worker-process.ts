/** A child process that runs a program such as `mixed-workload.ts`, and reports in lines. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import type { Order, Report } from './mixed-workload.ts'

export class WorkerProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #closed: Promise<unknown>
  readonly #waiting = new Map<string, (report: Report | undefined) => void>()
  readonly #seen = new Map<string, Report>()
  #onReport: (report: Report) => void = () => {}
  #isClosed = false
  errors = ''

  constructor(program: string, env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(process.execPath, [program], {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    // A kill may come before the order is read.
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.on('data', (text) => {
      this.errors += text
    })
    // A line that the kill cut short was never received.
    let rest = ''
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#receive(JSON.parse(line) as Report)
    })
    this.#closed = once(this.#child, 'close').then(() => {
      this.#isClosed = true
      for (const resolve of this.#waiting.values()) resolve(undefined)
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Sends its order; reports go to `onReport` from now on. */
  begin(order: Order | object, onReport: (report: Report) => void): void {
    this.#onReport = onReport
    this.#child.stdin.write(`${JSON.stringify(order)}\n`)
  }

  /** The first report of a kind; undefined if the process ended without it. */
  async next(kind: Report[0]): Promise<Report | undefined> {
    const seen = this.#seen.get(kind)
    if (seen !== undefined || this.#isClosed) return seen
    return new Promise((resolve) => this.#waiting.set(kind, resolve))
  }

  has(kind: Report[0]): boolean {
    return this.#seen.has(kind)
  }

  /** Kills it, unless it has ended; resolves when all that it wrote has been received. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  async ended(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    await this.#closed
    return { code: this.#child.exitCode, signal: this.#child.signalCode }
  }

  #receive(report: Report): void {
    if (!this.#seen.has(report[0])) this.#seen.set(report[0], report)
    this.#onReport(report)
    this.#waiting.get(report[0])?.(report)
    this.#waiting.delete(report[0])
  }
}
