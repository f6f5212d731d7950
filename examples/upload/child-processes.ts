/** The processes that the demo starts: none of them outlives it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export class ChildProcesses {
  readonly #running = new Set<ChildProcess>()

  /** Starts a program of this folder, on the sources of this repository. It is told by `disconnect` if this process dies. */
  start(program: string, args: readonly string[]): DemoProcess {
    // What it writes to standard output would break `--json`.
    const child = fork(join(import.meta.dirname, program), args, {
      execArgv: ['--conditions=perdure-source', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    this.#running.add(child)
    child.once('exit', () => this.#running.delete(child))
    return new DemoProcess(program, child)
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#running].map((child) => ended(child, () => child.kill('SIGKILL'))))
  }
}

export class DemoProcess {
  readonly #program: string
  readonly #child: ChildProcess
  /** Rejects if the process ends in any other way than it should; resolves when it is done. */
  readonly done: Promise<void>
  #isKilled = false

  constructor(program: string, child: ChildProcess) {
    this.#program = program
    this.#child = child
    this.done = ended(child).then((outcome) => {
      if (outcome !== 0 && !this.#isKilled) throw new Error(`${program} ended with ${outcome}`)
    })
    // Whoever waits for something else of it hears of it there.
    this.done.catch(() => {})
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** The next message of the process. */
  async message(): Promise<unknown> {
    const none = this.done.then(() => {
      throw new Error(`${this.#program} ended before it was ready`)
    })
    const [message] = await Promise.race([once(this.#child, 'message'), none])
    return message
  }

  /** SIGKILL; false if the process had ended by itself before. */
  async kill(): Promise<boolean> {
    this.#isKilled = true
    return (await ended(this.#child, () => this.#child.kill('SIGKILL'))) === 'SIGKILL'
  }
}

/** How a process ends, after `act` was done to it if it still runs. */
async function ended(child: ChildProcess, act?: () => void): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit')
    act?.()
    await exit
  }
  return child.exitCode ?? child.signalCode
}
