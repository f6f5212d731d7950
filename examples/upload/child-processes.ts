/** The processes that the demo starts: none of them outlives it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { RunningTask } from './upload-run.ts'

export class ChildProcesses {
  readonly #running = new Set<DemoProcess>()
  #isOver = false

  /** Starts a program of this folder, on the sources of this repository. It is told by `disconnect` if this process dies. */
  start(program: string, args: readonly string[]): DemoProcess {
    if (this.#isOver) throw new Error('the demo has ended')
    // What it writes to standard output would break `--json`.
    const child = fork(join(import.meta.dirname, program), args, {
      execArgv: ['--conditions=perdure-source', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    const started = new DemoProcess(program, child)
    this.#running.add(started)
    child.once('exit', () => this.#running.delete(started))
    return started
  }

  /** Also what would be started later. */
  async killAll(): Promise<void> {
    this.#isOver = true
    await Promise.all([...this.#running].map((each) => each.kill()))
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

  /** What runs on the workers, asked of the engine; nothing if it has ended. */
  async runningTasks(): Promise<readonly RunningTask[]> {
    this.#child.send('running', () => {})
    const answer = once(this.#child, 'message').then(([message]) => message as readonly RunningTask[])
    return Promise.race([answer, this.done.then(() => [])])
  }

  /** SIGSTOP: it does nothing any more, and is killed then. */
  freeze(): void {
    this.#isKilled = true
    this.#child.kill('SIGSTOP')
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
