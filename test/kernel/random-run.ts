/** Runs a program with completions in a random order. */
import { DEADLINE_TIMER } from '../../src/core/execution/timer-ids.ts'
import { type Randomness, seededRandomness } from '../../src/platform/randomness.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import type { Workflow } from '../../src/sdk/definition.ts'
import { type HarnessOptions, KernelHarness } from './harness.ts'
import { randomAct } from './human-inputs.ts'
import { closeChild, closeTask, endChildByParent, failStep, fireTimer } from './inputs.ts'
import { UPDATE } from './program.ts'

/**
 * `quiet`: something happens only when the code waits; also rare things: termination, time limits, missing code, retries.
 * `racing`: things happen while the code still has events to see.
 */
export type Mode = 'quiet' | 'racing'

const INPUTS_MAX = 40
const SIGNALS_MAX = 8
const UPDATES_MAX = 2

type Input = () => void

export async function randomRun(
  workflow: Workflow,
  seed: number,
  mode: Mode,
  options: HarnessOptions = {},
): Promise<KernelHarness> {
  const harness = KernelHarness.start(workflow, undefined, options)
  await new RandomRun(harness, seededRandomness(seed), mode).finish()
  return harness
}

/** Lets an execution that was begun elsewhere go on. */
export async function goOn(harness: KernelHarness, seed: number): Promise<void> {
  await new RandomRun(harness, seededRandomness(seed), 'racing').finish()
}

class RandomRun {
  readonly #harness: KernelHarness
  readonly #random: Randomness
  readonly #mode: Mode
  #signals = 0
  #updates = 0
  #retries = 0
  /** Children that the last failure of the execution may have ended. */
  #endedByParent = new Set<number>()

  constructor(harness: KernelHarness, random: Randomness, mode: Mode) {
    this.#harness = harness
    this.#random = random
    this.#mode = mode
  }

  async finish(): Promise<void> {
    const harness = this.#harness
    for (let i = 0; i < INPUTS_MAX; i++) {
      if (this.#mode === 'quiet') await harness.untilQuiet()
      else while (harness.hasTurn && this.#random() < 0.5) await harness.turn()
      const input = this.#pick()
      if (input === undefined) {
        if (!(await harness.turn())) break
        continue
      }
      harness.nowMs += Math.floor(this.#random() * 3)
      input()
    }
    await harness.untilQuiet()
  }

  #pick(): Input | undefined {
    const harness = this.#harness
    if (harness.nondeterminism !== undefined) return undefined
    if (harness.isClosed) return this.#mode === 'quiet' && this.#random() < 0.7 ? this.#retry() : undefined
    const inputs = this.#completions()
    const rare = this.#rare()
    if (rare !== undefined && this.#random() < 0.08) return rare
    const messages = this.#messages()
    if (inputs.length > 0 && (messages.length === 0 || this.#random() < 0.75)) return this.#one(inputs)
    // Code may still have something to ask for: what is left over comes after that.
    if (harness.hasTurn && inputs.length === 0 && this.#random() < 0.7) return undefined
    return this.#one(messages) ?? this.#cancel()
  }

  #completions(): Input[] {
    const harness = this.#harness
    const inputs: Input[] = []
    for (const [op, pending] of harness.state.ops) {
      if (pending.kind === 'human') {
        const { kind } = pending.spec
        inputs.push(() => randomAct(harness, op, pending, this.#random))
        if (kind === 'approval' || this.#random() < 0.3) inputs.push(() => fireTimer(harness, op))
      } else if (pending.kind === 'task') inputs.push(() => this.#closeTask(op))
      else if (pending.kind === 'child') inputs.push(() => this.#closeChild(op))
      else if (pending.kind !== 'step') inputs.push(() => fireTimer(harness, op))
      else if (pending.running) inputs.push(() => this.#endAttempt(op, pending.attempt))
      else if (pending.issued) inputs.push(() => fireTimer(harness, op))
    }
    return inputs
  }

  #endAttempt(op: number, attempt: number): void {
    const draw = this.#random()
    if (draw < 0.7) {
      const result = encodePayload(Math.floor(this.#random() * 100))
      this.#harness.apply({ type: 'step-completed', op, attempt, result })
      return
    }
    const failure = { kind: 'application' as const, name: 'Error', message: 'it did not work' }
    failStep(this.#harness, op, attempt, draw < 0.75 ? { ...failure, nonRetryable: true } : failure)
  }

  #closeTask(op: number): void {
    const draw = this.#random()
    const attempts = 1 + Math.floor(this.#random() * 2)
    const failure = { kind: 'application' as const, name: 'Error', message: 'the task did not work' }
    const { nowMs } = this.#harness
    const status = draw < 0.8 ? 'failed' : draw < 0.9 ? 'expired' : 'cancelled'
    closeTask(
      this.#harness,
      op,
      draw < 0.7
        ? { status: 'completed', attempts, startedAt: nowMs, servedMs: 1.5, result: encodePayload(draw) }
        : { status, attempts, failure },
    )
  }

  #closeChild(op: number): void {
    if (this.#endedByParent.delete(op) && this.#random() < 0.7) {
      endChildByParent(this.#harness, op)
      return
    }
    const ok = this.#random() < 0.8
    const failure = { kind: 'application' as const, name: 'Error', message: 'the child failed' }
    closeChild(this.#harness, op, ok ? { ok, result: encodePayload('done') } : { ok, failure })
  }

  #messages(): Input[] {
    const harness = this.#harness
    const inputs: Input[] = []
    if (this.#signals < SIGNALS_MAX) {
      inputs.push(() => {
        const number = this.#signals++
        const name = this.#random() < 0.5 ? 'x' : 'y'
        const requestId = number % 2 === 0 ? `request-${number}` : undefined
        harness.apply({ type: 'signal', name, payload: encodePayload(number), requestId })
      })
    }
    // The engine asks the validator only while the code waits.
    const isUpdatable = !harness.hasTurn && harness.validateUpdate(UPDATE.name) === 'accepted'
    if (this.#updates < UPDATES_MAX && isUpdatable) {
      inputs.push(() => {
        const updateId = `update-${this.#updates++}`
        harness.apply({ type: 'update', updateId, name: UPDATE.name, payload: encodePayload(undefined) })
      })
    }
    return inputs
  }

  #rare(): Input | undefined {
    const harness = this.#harness
    const draw = this.#random()
    if (draw < 0.4) return this.#cancel()
    if (this.#mode === 'racing') return undefined
    if (draw < 0.7) return () => harness.parkForMissingCode()
    if (draw < 0.8) return () => void harness.apply({ type: 'terminate', reason: 'stop it' })
    const { deadlineAt } = harness.state
    if (deadlineAt === undefined) return undefined
    return () => {
      harness.nowMs = Math.max(harness.nowMs, deadlineAt)
      harness.apply({ type: 'timer-due', timer: DEADLINE_TIMER })
    }
  }

  #cancel(): Input | undefined {
    const harness = this.#harness
    if (harness.state.cancelReason !== undefined) return undefined
    return () => void harness.apply({ type: 'cancel', reason: 'not wanted any more' })
  }

  #retry(): Input | undefined {
    const terminal = this.#harness.state.terminal
    if (terminal?.type !== 'execution-failed' || (terminal.operationsAfter ?? 0) > 0) return undefined
    if (this.#retries++ >= 2) return undefined
    return () => {
      this.#harness.retry()
      const { ops } = this.#harness.state
      this.#endedByParent = new Set([...ops.keys()].filter((op) => ops.get(op)?.kind === 'child'))
    }
  }

  #one(inputs: readonly Input[]): Input | undefined {
    return inputs[Math.floor(this.#random() * inputs.length)]
  }
}
