/** Where `list`, `show` and `history` read: a store, or an engine that runs. */
import type { SequencedEvent } from '../../protocol/event.ts'
import { isRunId, type RunId } from '../../protocol/ids.ts'
import type { Client, Execution, ExecutionInfo } from '../../sdk/client.ts'
import type { ExecutionRow } from '../../store/contract/rows.ts'
import type { StoreListQuery } from '../../store/contract/store.ts'
import type { StoreReader } from '../../store/contract/store-reader.ts'
import type { CommandCall } from '../command.ts'
import { type EngineChoice, engineInsteadOfStore } from '../engine-choice.ts'
import { withEngine } from '../engine-connection.ts'
import { eventPages, findExecution } from '../execution-rows.ts'
import { openStoreReader } from '../store-option.ts'
import { UsageError } from '../usage-error.ts'
import { workflowNamed } from './execution-option.ts'

export type ListedExecution = Omit<ExecutionRow, 'shard' | 'active'>

export interface ExecutionSource {
  /** Newest first. */
  list(query: StoreListQuery): Promise<readonly ListedExecution[]>
  /** The one that the operand ID, `--namespace` and `--run` name. Throws `EXECUTION_NOT_FOUND`. */
  find(): Promise<ListedExecution>
  /** Events after `afterSeq`, page by page. */
  events(row: ListedExecution, afterSeq: number): AsyncIterable<readonly SequencedEvent[]>
  /** Timers as far as they are known: of operations, and in a store of start and deadline too. */
  timers(row: ListedExecution): Promise<readonly { readonly timer: number; readonly dueAt: number }[]>
  isEngineRunning(): Promise<boolean>
}

/** `--store` or `PERDURE_STORE`, or else an engine if one is named, or else the store of the directory. */
export async function withExecutionSource<T>(
  call: CommandCall,
  use: (source: ExecutionSource) => Promise<T>,
): Promise<T> {
  const choice = engineInsteadOfStore(call, { overEnvironment: false })
  if (choice !== undefined)
    // However long the reader of a pipe takes.
    return withEngine(call, choice, (engine) => use(new EngineSource(call, choice, engine)), { waits: true })
  const reader = await openStoreReader(call)
  try {
    return await use(storeSource(call, reader))
  } finally {
    await reader.close()
  }
}

function storeSource(call: CommandCall, reader: StoreReader): ExecutionSource {
  return {
    list: (query) => reader.list(query),
    find: () => findExecution(reader, call),
    events: (row, afterSeq) => eventPages(reader, row, afterSeq),
    timers: ({ runId }) => reader.timersOf(runId),
    isEngineRunning: () => reader.isEngineRunning(),
  }
}

class EngineSource implements ExecutionSource {
  readonly #call: CommandCall
  readonly #choice: EngineChoice
  readonly #engine: Client

  constructor(call: CommandCall, choice: EngineChoice, engine: Client) {
    this.#call = call
    this.#choice = choice
    this.#engine = engine
  }

  async list({ limit, before, status, workflow, startedFrom, startedTo }: StoreListQuery) {
    const { executions } = await this.#engine.list({
      limit,
      ...(before === undefined ? {} : { cursor: before }),
      ...(status === undefined ? {} : { status }),
      ...(workflow === undefined ? {} : { workflow }),
      ...(startedFrom === undefined ? {} : { startedFrom }),
      ...(startedTo === undefined ? {} : { startedTo }),
    })
    return executions.map((each) => this.#rowOf(each))
  }

  async find(): Promise<ListedExecution> {
    const { operands, options } = this.#call
    const run = options.text('run')
    if (run !== undefined && !isRunId(run)) throw new UsageError(`--run ${run} is not a run id`)
    return this.#rowOf(await this.#execution(operands[0] ?? '', run).describe())
  }

  async *events(
    { key, runId }: ListedExecution,
    afterSeq: number,
  ): AsyncGenerator<readonly SequencedEvent[]> {
    const events = await this.#execution(key.workflowId, runId).history()
    const wanted = afterSeq === 0 ? events : events.filter(({ seq }) => seq > afterSeq)
    if (wanted.length > 0) yield wanted
  }

  async timers({ key, runId }: ListedExecution) {
    const { pending } = await this.#execution(key.workflowId, runId).describe()
    return pending.flatMap(({ op, dueAt }) => (dueAt === undefined ? [] : [{ timer: op, dueAt }]))
  }

  async isEngineRunning(): Promise<boolean> {
    return true
  }

  #execution(id: string, runId: RunId | undefined): Execution {
    return this.#engine.execution(workflowNamed('any'), id, runId === undefined ? {} : { runId })
  }

  #rowOf({ id, startedAt, closedAt, ...rest }: ExecutionInfo): ListedExecution {
    const { runId, workflow, version, status, attributes } = rest
    return {
      key: { namespace: this.#choice.namespace, workflowId: id },
      runId,
      workflow,
      version,
      status,
      startedAt: startedAt.getTime(),
      closedAt: closedAt === undefined ? null : closedAt.getTime(),
      attributes,
    }
  }
}
