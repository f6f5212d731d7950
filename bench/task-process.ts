/** Starts a task in a process of its own: a fresh heap for each, and something that can be killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { AnswerOf, OrderOf, TaskName } from './tasks.ts'

/** A task that takes longer is stuck. */
const TASK_LIMIT_MS = 30 * 60_000

const running = new Set<ChildProcess>()

/** Ends what still runs; for a run that is interrupted. */
export function killTasks(): void {
  for (const child of running) child.kill('SIGKILL')
}

export class TaskProcess<Answer> {
  readonly startedAtMs = performance.now()
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  readonly #notes = new Map<string, (content: unknown) => void>()
  #answer: { readonly value: Answer } | undefined

  constructor(nodeFlags: readonly string[], name: TaskName, order: object) {
    const main = join(import.meta.dirname, 'task-main.ts')
    this.#child = spawn(process.execPath, [...nodeFlags, main, name, JSON.stringify(order)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: TASK_LIMIT_MS,
      killSignal: 'SIGKILL',
    })
    running.add(this.#child)
    let rest = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#receive(JSON.parse(line))
    })
    this.#closed = once(this.#child, 'close').finally(() => running.delete(this.#child))
    // Whoever waits is told; an error of a process that nobody waits for yet is kept for them.
    this.#closed.catch(() => {})
  }

  /** The answer; throws if the process ended without one. */
  async answer(): Promise<Answer> {
    await this.#closed
    if (this.#answer !== undefined) return this.#answer.value
    const { exitCode, signalCode, spawnargs } = this.#child
    throw new Error(`${spawnargs.slice(-2).join(' ')} ended with ${signalCode ?? exitCode} and no answer`)
  }

  /** Waits until the task says this, and gives its content; throws if the task ends before. */
  async said(note: string): Promise<unknown> {
    const heard = new Promise<unknown>((resolve) => void this.#notes.set(note, resolve))
    const ended = this.#closed.then(() => {
      throw new Error(`${this.#child.spawnargs.slice(-2).join(' ')} ended before '${note}'`)
    })
    return Promise.race([heard, ended])
  }

  /** SIGKILL; resolves when all it wrote has been received. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  #receive(line: { note: string; content: unknown } | { answer: Answer }): void {
    if ('answer' in line) this.#answer = { value: line.answer }
    else this.#notes.get(line.note)?.(line.content)
  }
}

export function startTask<Name extends TaskName>(
  nodeFlags: readonly string[],
  name: Name,
  order: OrderOf<Name>,
): TaskProcess<AnswerOf<Name>> {
  return new TaskProcess(nodeFlags, name, order)
}
