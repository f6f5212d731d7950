/** Random workflow programs, as data: one workflow function interprets them all. */
import type { Randomness } from '../../src/platform/randomness.ts'

export interface StepSpec {
  readonly do: 'step'
  readonly name: string
  /** Calls of this step that fail before one succeeds, counted outside of the engine. */
  readonly failures: number
  readonly maxAttempts: number
  readonly ms: number
  readonly timeoutMs?: number
  readonly decorrelated?: true
  readonly fatal?: true
}

export interface TaskSpec {
  readonly do: 'task'
  readonly queue: string
  readonly failures: number
  readonly ms: number
}

export type Instruction =
  | StepSpec
  | TaskSpec
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'wait'; readonly signal: SignalName; readonly timeoutMs?: number }
  | { readonly do: 'all' | 'race' | 'any' | 'settled'; readonly branches: readonly Program[] }
  | { readonly do: 'map'; readonly steps: readonly StepSpec[]; readonly concurrency: number }
  | {
      readonly do: 'child'
      readonly program: Program
      readonly policy: 'terminate' | 'cancel' | 'abandon'
      readonly mode: 'await' | 'detach' | 'cancel' | 'signal'
      readonly timeoutMs?: number
    }
  | { readonly do: 'attributes'; readonly value: number }
  | { readonly do: 'scope'; readonly program: Program; readonly cancelAfterMs: number }
  /** On an error, cleans up in an uncancellable scope and goes on, or rethrows. */
  | { readonly do: 'guard'; readonly program: Program; readonly cleanUp: StepSpec; readonly rethrow: boolean }
  | { readonly do: 'note' }
  | { readonly do: 'fail' }
  | { readonly do: 'continue'; readonly program: Program }

export type Program = readonly Instruction[]

export const SIGNALS = ['red', 'green', 'blue'] as const
export type SignalName = (typeof SIGNALS)[number]

const TASK_SHARE = 0.12

export class ProgramMaker {
  readonly #random: Randomness
  readonly #queues: number
  #steps = 0

  /** @param queues in which programs put tasks; 0: they have none */
  constructor(random: Randomness, queues = 0) {
    this.#random = random
    this.#queues = queues
  }

  /** The program of an execution that a client starts. */
  root(): Program {
    const length = 1 + this.#below(6)
    const program: Instruction[] = []
    for (let i = 0; i < length; i++) program.push(this.#instruction(3))
    const chance = this.#random()
    if (chance < 0.1) program.push({ do: 'continue', program: this.#program(2) })
    else if (chance < 0.14) program.push({ do: 'fail' })
    return program
  }

  #program(depth: number): Program {
    return Array.from({ length: 1 + this.#below(3) }, () => this.#instruction(depth))
  }

  #instruction(depth: number): Instruction {
    if (this.#queues > 0 && this.#random() < TASK_SHARE) return this.#task()
    const chance = this.#random()
    if (depth === 0 || chance < 0.42) return this.#step()
    if (chance < 0.52) return { do: 'sleep', ms: this.#ms(3000) }
    if (chance < 0.62) return this.#wait()
    if (chance < 0.77)
      return { do: this.#pick(['all', 'all', 'race', 'any', 'settled']), branches: this.#branches(depth) }
    if (chance < 0.82)
      return {
        do: 'map',
        steps: Array.from({ length: 2 + this.#below(5) }, () => this.#step()),
        concurrency: 1 + this.#below(3),
      }
    if (chance < 0.89) return this.#child(depth)
    if (chance < 0.91) return { do: 'attributes', value: this.#below(100) }
    if (chance < 0.94) return { do: 'scope', program: this.#program(depth - 1), cancelAfterMs: this.#ms(500) }
    if (chance < 0.97)
      return {
        do: 'guard',
        program: this.#program(depth - 1),
        cleanUp: this.#step(),
        rethrow: this.#random() < 0.3,
      }
    return { do: 'note' }
  }

  #step(): StepSpec {
    const chance = this.#random()
    const failures = chance < 0.7 ? 0 : 1 + this.#below(3)
    const ms = this.#random() < 0.4 ? 0 : this.#ms(120)
    return {
      do: 'step',
      name: `s${this.#steps++ % 7}`,
      failures,
      maxAttempts: this.#random() < 0.8 ? 5 : 1 + this.#below(3),
      ms,
      ...(this.#random() < 0.06 ? { timeoutMs: 30 } : {}),
      ...(this.#random() < 0.3 ? { decorrelated: true as const } : {}),
      ...(this.#random() < 0.02 ? { fatal: true as const } : {}),
    }
  }

  #task(): TaskSpec {
    return {
      do: 'task',
      queue: `q${this.#below(this.#queues)}`,
      failures: this.#random() < 0.8 ? 0 : 1 + this.#below(3),
      ms: this.#random() < 0.4 ? 0 : this.#ms(120),
    }
  }

  #wait(): Instruction {
    const signal = this.#pick(SIGNALS)
    return this.#random() < 0.7 ? { do: 'wait', signal, timeoutMs: this.#ms(1500) } : { do: 'wait', signal }
  }

  #branches(depth: number): Program[] {
    return Array.from({ length: 2 + this.#below(3) }, () => this.#program(depth - 1))
  }

  #child(depth: number): Instruction {
    return {
      do: 'child',
      program: this.#program(depth - 1),
      policy: this.#pick(['terminate', 'cancel', 'abandon']),
      mode: this.#pick(['await', 'await', 'detach', 'cancel', 'signal']),
      ...(this.#random() < 0.15 ? { timeoutMs: this.#ms(2000) } : {}),
    }
  }

  /** Short times are common, long ones occur. */
  #ms(most: number): number {
    return Math.floor(this.#random() ** 3 * most)
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#below(values.length)] as T
  }
}
