/**
 * The workflow that runs programs. What it observes, it returns: a run that goes another way in replay ends with another
 * result.
 */
import type { StepContext, WorkflowContext } from '../../src/sdk/context.ts'
import { query, signal, update, type Workflow, workflow } from '../../src/sdk/definition.ts'
import { type Task, type TaskContext, task } from '../../src/sdk/tasks/task.ts'
import { type Program, SIGNALS, type SignalName, type StepSpec, type TaskSpec } from './program.ts'

/** What the surroundings add: the simulated world while it runs, nothing in the replay of the checker. */
export interface Surroundings {
  /** Code runs here: the process may die. */
  inCode(): void
  runStep(spec: StepSpec, step: StepContext): unknown
  consumed(runId: string, signalName: string, id: string): void
}

export const signals = Object.fromEntries(SIGNALS.map((name) => [name, signal<string>(name)])) as Record<
  SignalName,
  ReturnType<typeof signal<string>>
>
/** What executions put into queues. */
export function programTask(run: (context: TaskContext, spec: TaskSpec) => unknown): Task<TaskSpec, string> {
  return task({
    name: 'work',
    retry: { maxAttempts: 5, initialInterval: 20, maxInterval: 200 },
    run: (context: TaskContext, spec: TaskSpec) => run(context, spec) as Promise<string>,
  })
}

const asked = programTask(() => {
  throw new Error('invariant: the task of an instance runs')
})

export const seenQuery = query<readonly string[]>('seen')
export const addUpdate = update<string, { readonly id: string; readonly step: StepSpec | null }>('add')

export interface ProgramInput {
  readonly program: Program
}
export type ProgramWorkflow = Workflow<ProgramInput, readonly string[]>

class ProgramRun {
  readonly seen: string[] = []
  readonly #around: Surroundings
  readonly #definition: () => ProgramWorkflow

  constructor(around: Surroundings, definition: () => ProgramWorkflow) {
    this.#around = around
    this.#definition = definition
  }

  async run(ctx: WorkflowContext, program: Program): Promise<void> {
    for (const instruction of program) {
      this.#around.inCode()
      await this.#execute(ctx, instruction)
    }
  }

  step(ctx: WorkflowContext, spec: StepSpec): Promise<string> {
    const backoff = spec.decorrelated === true ? ('decorrelated' as const) : ('full-jitter' as const)
    const { maxAttempts, timeoutMs } = spec
    const retry = {
      maxAttempts,
      initialInterval: 20,
      maxInterval: 400,
      backoff,
      nonRetryable: ['FatalError'],
    }
    return ctx.step(spec.name, (step) => this.#around.runStep(spec, step) as Promise<string>, {
      retry,
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    })
  }

  async #execute(ctx: WorkflowContext, instruction: Program[number]): Promise<void> {
    switch (instruction.do) {
      case 'step':
        this.seen.push(await this.step(ctx, instruction))
        return
      case 'task':
        this.seen.push(await ctx.task(asked, instruction, { queue: instruction.queue }))
        return
      case 'sleep':
        await ctx.sleep(instruction.ms)
        this.seen.push('slept')
        return
      case 'wait':
        return this.#wait(ctx, instruction.signal, instruction.timeoutMs)
      case 'map': {
        const { steps, concurrency } = instruction
        this.seen.push(...(await ctx.map(steps, (spec) => this.step(ctx, spec), { concurrency })))
        return
      }
      case 'attributes':
        ctx.setAttributes({ value: instruction.value, seen: this.seen.length })
        return
      case 'note':
        ctx.log.info('seen', { seen: this.seen.slice(-5) })
        this.seen.push(`${ctx.now()} ${ctx.random()} ${ctx.uuid()} ${ctx.patched('changed')}`)
        return
      case 'fail':
        throw new Error('the program fails')
      case 'continue':
        return ctx.continueAsNew({ program: instruction.program })
      case 'child':
        return this.#child(ctx, instruction)
      case 'scope':
        return this.#scope(ctx, instruction.program, instruction.cancelAfterMs)
      case 'guard':
        return this.#guard(ctx, instruction)
      default:
        return this.#branches(ctx, instruction.do, instruction.branches)
    }
  }

  async #wait(ctx: WorkflowContext, name: SignalName, timeoutMs: number | undefined): Promise<void> {
    const id =
      timeoutMs === undefined
        ? await ctx.waitFor(signals[name])
        : await ctx.waitFor(signals[name], { timeout: timeoutMs })
    if (id !== undefined) this.#around.consumed(ctx.info.runId, name, id)
    this.seen.push(id ?? 'time is up')
  }

  async #branches(
    ctx: WorkflowContext,
    mode: 'all' | 'race' | 'any' | 'settled',
    branches: readonly Program[],
  ): Promise<void> {
    const running = branches.map(async (branch, i) => {
      await this.run(ctx, branch)
      // Branches go on after different numbers of microtasks: their order must not depend on that.
      for (let tick = (i * 5) % 7; tick > 0; tick--) await undefined
      this.seen.push(`branch ${i}`)
      return i
    })
    if (mode === 'all') await Promise.all(running)
    else if (mode === 'race') this.seen.push(`won by ${await Promise.race(running)}`)
    else if (mode === 'any') this.seen.push(`any of ${await Promise.any(running)}`)
    else this.seen.push((await Promise.allSettled(running)).map(({ status }) => status).join())
  }

  async #child(ctx: WorkflowContext, spec: Extract<Program[number], { do: 'child' }>): Promise<void> {
    const child = ctx.child(
      this.#definition(),
      { program: spec.program },
      {
        parentClosePolicy: spec.policy,
        ...(spec.timeoutMs === undefined ? {} : { executionTimeout: spec.timeoutMs }),
      },
    )
    if (spec.mode === 'detach') return
    if (spec.mode === 'cancel') {
      await ctx.sleep(20)
      child.cancel('changed my mind')
    }
    if (spec.mode === 'signal') {
      for (const name of SIGNALS) await child.signal(signals[name], `${child.id} ${name}`)
    }
    try {
      this.seen.push(`child saw ${(await child).length}`)
    } catch (error) {
      if (ctx.abortSignal.aborted) throw error
      this.seen.push(`child failed: ${(error as { code?: string }).code}`)
    }
  }

  async #scope(ctx: WorkflowContext, program: Program, cancelAfterMs: number): Promise<void> {
    const scope = ctx.scope((inner) => this.run(inner, program))
    const ended = scope.then(
      () => 'scope ended',
      () => 'scope rejected',
    )
    await Promise.race([ended, ctx.sleep(cancelAfterMs)])
    scope.cancel('took too long')
    this.seen.push(await ended)
  }

  async #guard(ctx: WorkflowContext, spec: Extract<Program[number], { do: 'guard' }>): Promise<void> {
    try {
      await this.run(ctx, spec.program)
    } catch (error) {
      this.seen.push(await ctx.uncancellable((inner) => this.step(inner, spec.cleanUp)))
      if (spec.rethrow) throw error
    }
  }
}

export function programWorkflow(around: Surroundings): ProgramWorkflow {
  const definition: ProgramWorkflow = workflow({
    name: 'program',
    run: async (ctx: WorkflowContext, { program }: ProgramInput): Promise<readonly string[]> => {
      const run = new ProgramRun(around, () => definition)
      ctx.onQuery(seenQuery, () => run.seen.slice(-50))
      ctx.onUpdate(
        addUpdate,
        async ({ id, step }) => {
          run.seen.push(`update ${id}`)
          if (step === null) return `${id} at ${run.seen.length}`
          return `${id} with ${await run.step(ctx, step)}`
        },
        {
          validate: ({ id }) => {
            if (id.endsWith('bad')) throw new Error('bad id')
          },
        },
      )
      await run.run(ctx, program)
      return run.seen
    },
  })
  return definition
}
