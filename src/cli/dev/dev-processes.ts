/**
 * The worker process of `perdure dev`: begun again on each change.
 *
 * The new one is begun when the old one has ended: two would share executions between old and new code.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import type { DevReport } from './dev-worker.ts'

export interface DevProcessOptions {
  readonly url: string
  readonly files: readonly string[]
  readonly onReport: (report: DevReport) => void
  /** It ended unasked, and has not said why. */
  readonly onLost: (how: string) => void
}

/** One that does not end when it is told is killed. */
const END_WITHIN_MS = 3000

export class DevProcess {
  readonly #options: DevProcessOptions
  #child: ChildProcess | undefined
  #work: Promise<void> = Promise.resolve()
  #isAsked = false
  #isClosed = false

  constructor(options: DevProcessOptions) {
    this.#options = options
  }

  /** Several changes while the old one ends are one. */
  restart(): void {
    if (this.#isAsked || this.#isClosed) return
    this.#isAsked = true
    this.#work = this.#work.then(async () => {
      await this.#end()
      this.#isAsked = false
      if (!this.#isClosed) this.#begin()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#work
    await this.#end()
  }

  #begin(): void {
    const { url, files, onReport, onLost } = this.#options
    // In the build it is JavaScript, as this file is.
    const script = new URL(`./dev-worker${extname(import.meta.url)}`, import.meta.url)
    // A group of its own: Ctrl-C of the terminal is for the parent, which ends it in order.
    const child = fork(script, [url, ...files], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child = child
    let hasFailed = false
    child.on('message', (report: DevReport) => {
      hasFailed = report.kind === 'failed'
      if (this.#child === child) onReport(report)
    })
    child.once('error', (error) => {
      // It was never begun: no exit will be told.
      if (child.pid === undefined && this.#child === child) this.#child = undefined
      onLost(error.message)
    })
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return
      this.#child = undefined
      if (!hasFailed) onLost(signal ?? `exit code ${code}`)
    })
  }

  async #end(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
    const timer = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS)
    // Code that never yields does not hear it: it is killed.
    if (child.connected) child.send('end', () => {})
    await ended
    clearTimeout(timer)
  }
}
