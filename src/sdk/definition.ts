/** What users define: workflows, signals, queries, updates. All are plain values, shared by workflow code and callers. */
import { checkedName } from '../protocol/checked-text.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Query, Signal, Update, Workflow, WorkflowContext } from './context.ts'
import type { InferInput, InferOutput, StandardSchema } from './standard-schema.ts'

export type { InputOf, OutputOf, Query, Signal, Update, Workflow } from './context.ts'

type Awaitable<T> = T | PromiseLike<T>

interface Named {
  /** Unique among the workflows of an engine, together with the version. */
  readonly name: string
  /** Default `'1'`. */
  readonly version?: string
}

/**
 * Defines a workflow. `input` and `output` are Standard Schemas (zod, valibot, arktype, …) and optional: the input is
 * validated when the execution is started, the output when the function returns.
 */
export function workflow<IS extends StandardSchema, OS extends StandardSchema>(
  options: Named & {
    readonly input: IS
    readonly output: OS
    readonly run: (ctx: WorkflowContext, input: InferOutput<IS>) => Awaitable<InferInput<OS>>
  },
): Workflow<InferInput<IS>, InferOutput<OS>>
export function workflow<IS extends StandardSchema, Out>(
  options: Named & {
    readonly input: IS
    readonly output?: undefined
    readonly run: (ctx: WorkflowContext, input: InferOutput<IS>) => Awaitable<Out>
  },
): Workflow<InferInput<IS>, Out>
export function workflow<In, OS extends StandardSchema>(
  options: Named & {
    readonly input?: undefined
    readonly output: OS
    readonly run: (ctx: WorkflowContext, input: In) => Awaitable<InferInput<OS>>
  },
): Workflow<In, InferOutput<OS>>
export function workflow<In, Out>(
  options: Named & {
    readonly input?: undefined
    readonly output?: undefined
    readonly run: (ctx: WorkflowContext, input: In) => Awaitable<Out>
  },
): Workflow<In, Out>
export function workflow<In>(
  options: Named & {
    readonly input?: StandardSchema | undefined
    readonly output?: StandardSchema | undefined
    readonly run: (ctx: WorkflowContext, input: In) => unknown
  },
): Workflow {
  if (typeof options?.run !== 'function')
    throw new PerdureError('ARGUMENT_INVALID', 'workflow({ run }) is not a function')
  for (const [what, schema] of Object.entries({ input: options.input, output: options.output })) {
    if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function')
      throw new PerdureError('ARGUMENT_INVALID', `workflow({ ${what} }) is not a Standard Schema`)
  }
  const { run } = options
  return Object.freeze({
    kind: 'workflow' as const,
    name: checkedName(options.name, 'the name of a workflow'),
    version: checkedName(options.version ?? '1', 'the version of a workflow'),
    inputSchema: options.input,
    outputSchema: options.output,
    // The input was validated, or its type was promised by the caller's: this is the one place that says so.
    run: (ctx: WorkflowContext, input: unknown) => run(ctx, input as In),
  })
}

export function signal<T = void>(name: string): Signal<T> {
  return Object.freeze({ kind: 'signal' as const, name: checkedName(name, 'the name of a signal') })
}

export function query<Out, In = void>(name: string): Query<In, Out> {
  return Object.freeze({ kind: 'query' as const, name: checkedName(name, 'the name of a query') })
}

export function update<Out, In = void>(name: string): Update<In, Out> {
  return Object.freeze({ kind: 'update' as const, name: checkedName(name, 'the name of an update') })
}
