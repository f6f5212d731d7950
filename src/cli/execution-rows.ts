/** Finding an execution, and reading its state from the journal as the engine would. */
import { evolve } from '../core/execution/evolve.ts'
import { type ExecutionState, emptyState } from '../core/execution/state.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Event, ExecutionStarted, SequencedEvent } from '../protocol/event.ts'
import { DEFAULT_NAMESPACE, isRunId } from '../protocol/ids.ts'
import type { ExecutionRow } from '../store/contract/rows.ts'
import type { StoreReader } from '../store/contract/store-reader.ts'
import type { CommandCall, OptionSpec } from './command.ts'
import type { Decryption } from './decryption.ts'
import { UsageError } from './usage-error.ts'

export const EXECUTION_OPTIONS = {
  namespace: { value: 'NAME', says: `namespace of the execution; default '${DEFAULT_NAMESPACE}'` },
  run: { value: 'RUN', says: 'an earlier run of it; default: the newest' },
} as const satisfies Record<string, OptionSpec>

const JOURNAL_PAGE_ENTRIES = 1000

/** The run that ID, `--namespace` and `--run` name. ID may also be a run id. Throws `EXECUTION_NOT_FOUND`. */
export async function findExecution(
  reader: StoreReader,
  { operands, options }: CommandCall,
): Promise<ExecutionRow> {
  const workflowId = operands[0] ?? ''
  const namespace = options.text('namespace') ?? DEFAULT_NAMESPACE
  const run = options.text('run')
  if (run !== undefined && !isRunId(run)) throw new UsageError(`--run ${run} is not a run id`)
  const [current] = await reader.currents([{ namespace, workflowId }])
  const runId = run ?? current ?? (isRunId(workflowId) ? workflowId : undefined)
  const [row] = runId === undefined ? [] : await reader.executions([runId])
  const isWanted = row !== undefined && (run === undefined || row.key.workflowId === workflowId)
  if (isWanted) return row
  const what = run === undefined ? workflowId : `run ${run} of ${workflowId}`
  throw new PerdureError('EXECUTION_NOT_FOUND', `there is no ${what} in namespace ${namespace}`)
}

/** Events after `afterSeq`, page by page. Throws `STORE_CORRUPT` where the sequence is broken. */
export async function* eventPages(
  reader: StoreReader,
  { runId }: Pick<ExecutionRow, 'runId'>,
  afterSeq: number,
): AsyncGenerator<readonly SequencedEvent[]> {
  let last = afterSeq
  for (;;) {
    const entries = await reader.journal(runId, last, JOURNAL_PAGE_ENTRIES)
    const page: SequencedEvent[] = []
    for (const entry of entries) {
      let { seq } = entry
      for (const event of eventsOf(entry.events, runId)) {
        if (seq > last + 1) throw corrupt(runId, `event ${last + 1} is missing`)
        if (seq > last) page.push({ seq, event })
        last = Math.max(last, seq)
        seq += 1
      }
    }
    if (page.length > 0) yield page
    if (entries.length < JOURNAL_PAGE_ENTRIES) return
  }
}

export interface ReplayedExecution {
  readonly state: ExecutionState
  readonly started: ExecutionStarted
}

/** Replays the journal of a run, decrypted if it can be. */
export async function replayExecution(
  { key, runId }: Pick<ExecutionRow, 'key' | 'runId'>,
  events: AsyncIterable<readonly SequencedEvent[]>,
  decryption?: Decryption,
): Promise<ReplayedExecution> {
  const read = decryption?.reader(key)
  const state = emptyState(runId)
  let started: ExecutionStarted | undefined
  for await (const page of events) {
    for (const { event } of read === undefined ? page : await read(page)) {
      if (event.type === 'execution-started') started ??= event
      evolve(state, event)
    }
  }
  if (started === undefined) throw corrupt(runId, 'it does not begin with execution-started')
  return { state, started }
}

function eventsOf(text: string, runId: string): readonly Event[] {
  try {
    return JSON.parse(text) as readonly Event[]
  } catch (error) {
    throw corrupt(runId, 'an entry is not JSON', error)
  }
}

function corrupt(runId: string, what: string, cause?: unknown): PerdureError {
  return new PerdureError('STORE_CORRUPT', `the journal of run ${runId} is damaged: ${what}`, { cause })
}
