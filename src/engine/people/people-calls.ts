/**
 * The calls of people: every answer waits for the commit of what it says.
 *
 * A human task is looked up within the namespace of the caller: that of another one looks like one that is missing.
 */

import type { PendingHuman } from '../../core/execution/human/human-state.ts'
import { hasHumanRequest } from '../../core/execution/request-ids.ts'
import { currentCall } from '../../platform/call-context.ts'
import { type ErrorCode, PerdureError } from '../../protocol/errors.ts'
import type { SequencedEvent } from '../../protocol/event.ts'
import { type Actor, type HumanAction, partsOfHumanTaskId } from '../../protocol/human-task.ts'
import { isRunId, type RunId, type WorkflowKey } from '../../protocol/ids.ts'
import { noHumanTask } from '../../protocol/missing.ts'
import type {
  HumanTaskDescription,
  HumanTaskSummary,
  HumanTaskTarget,
  InboxPage,
  InboxQuery,
  PeoplePort,
} from '../../protocol/people-port.ts'
import type { HumanTaskQuery, HumanTaskRow } from '../../store/contract/human-task-rows.ts'
import { shownReads } from '../../store/contract/shown-reads.ts'
import type { Engine } from '../engine.ts'
import type { ExecutionAccess } from '../execution-access.ts'
import { eventsAfter } from '../journal-events.ts'
import type { LiveExecution } from '../live-execution.ts'
import { HumanForms } from './human-form.ts'
import { type HumanTaskRecord, humanDescription, recordOf } from './human-task-record.ts'
import { inboxesOf } from './human-task-row.ts'

const INBOX_DEFAULT = 100
const INBOX_LIMIT = 1000
const JOURNAL_PAGE_ENTRIES = 1000

interface Place {
  readonly key: WorkflowKey
  readonly runId: RunId
  readonly op: number
  readonly id: string
}

export class PeopleCalls implements PeoplePort {
  readonly #engine: Engine
  readonly #access: ExecutionAccess
  readonly #forms = new HumanForms()

  constructor(engine: Engine, access: ExecutionAccess) {
    this.#engine = engine
    this.#access = access
  }

  async inbox(query: InboxQuery): Promise<InboxPage> {
    this.#engine.assertOpen()
    const { namespace, cursor } = query
    const limit = Math.min(query.limit ?? INBOX_DEFAULT, INBOX_LIMIT)
    const rows = await shownReads(this.#engine.options.store).humanTasks({
      namespace,
      inboxes: inboxesOf(query),
      limit: limit + 1,
      ...(cursor === undefined ? {} : { after: placeOf(cursor) }),
    })
    const tasks = rows.slice(0, limit).map(({ summary }) => JSON.parse(summary) as HumanTaskSummary)
    const last = rows[limit - 1]
    return rows.length > limit && last !== undefined ? { tasks, cursor: cursorOf(last) } : { tasks }
  }

  async describe(target: HumanTaskTarget): Promise<HumanTaskDescription> {
    const place = await this.#placeOf(target)
    const open = await this.#with(place, (execution) => {
      const task = openTask(execution, place)
      return task === undefined
        ? undefined
        : humanDescription(execution.state, place.op, { task, closed: undefined })
    })
    if (open !== undefined) return open
    const record = await this.#recordOf(place)
    const { workflow } = record
    return humanDescription({ key: place.key, runId: place.runId, workflow }, place.op, record)
  }

  async history(target: HumanTaskTarget): Promise<readonly SequencedEvent[]> {
    const place = await this.#placeOf(target)
    return (await this.#recordOf(place)).events
  }

  async act(target: HumanTaskTarget, actor: Actor, action: HumanAction, requestId: string): Promise<void> {
    this.#engine.assertIntake()
    const place = await this.#placeOf(target)
    const { op } = place
    const { audit } = this.#engine
    const call = audit === undefined ? undefined : currentCall()
    const rejected = await this.#with(place, (execution) => {
      const { seq, runId } = execution.state
      const task = openTask(execution, place)
      // What was done already is not held against anything again.
      if (task !== undefined && !hasHumanRequest(execution.state, { op, user: actor.user, requestId }))
        this.#forms.check(task, actor, action)
      const refusal = this.#engine.transitions.apply(execution, {
        type: 'human',
        op,
        actor,
        action,
        requestId,
      })
      if (call !== undefined && execution.state.seq > seq) audit?.changed(call, runId)
      if (refusal === undefined) this.#engine.transitions.finish(execution)
      return refusal
    })
    if (rejected === undefined) return
    const { closed } = await this.#recordOf(place)
    const how =
      closed === undefined ? '' : `: ${closed.outcome}${closed.by === undefined ? '' : ` by ${closed.by}`}`
    throw new PerdureError(rejected.code as ErrorCode, `${rejected.detail}${how}`)
  }

  /** Calls `use` while the execution is in memory; what it saw is durable when this resolves. */
  async #with<T>(
    { key, runId }: Pick<Place, 'key' | 'runId'>,
    use: (execution: LiveExecution) => T,
  ): Promise<T> {
    return await this.#access.with({ key, runId }, async (execution) => {
      const answer = use(execution)
      await this.#access.durable(execution)
      return answer
    })
  }

  async #placeOf({ namespace, id }: HumanTaskTarget): Promise<Place> {
    this.#engine.assertOpen()
    const parts = partsOfHumanTaskId(id)
    if (parts === undefined) throw noHumanTask({ namespace, id })
    const { runId, op } = parts
    const live = this.#engine.table.get(runId)
    const [row] = live === undefined ? await this.#engine.options.store.executions([runId]) : []
    const key = live?.state.key ?? row?.key
    if (key === undefined || key.namespace !== namespace) throw noHumanTask({ namespace, id })
    return { key, runId, op, id }
  }

  async #recordOf({ key, runId, op, id }: Place): Promise<HumanTaskRecord & { readonly workflow: string }> {
    const { store } = this.#engine.options
    const events: SequencedEvent[] = []
    for (;;) {
      const after = events.at(-1)?.seq ?? 0
      const entries = await store.journal(runId, after, JOURNAL_PAGE_ENTRIES)
      events.push(...eventsAfter(entries, after))
      if (entries.length < JOURNAL_PAGE_ENTRIES) break
    }
    const record = recordOf(events, op)
    const first = events[0]?.event
    if (record === undefined || first?.type !== 'execution-started')
      throw noHumanTask({ namespace: key.namespace, id })
    return { ...record, workflow: first.workflow }
  }
}

function openTask({ state }: LiveExecution, { op }: Place): PendingHuman | undefined {
  const pending = state.closedAt === null ? state.ops.get(op) : undefined
  return pending?.kind === 'human' ? pending : undefined
}

function cursorOf({ rank, runId, op }: HumanTaskRow): string {
  return `${rank}-${runId}-${op}`
}

function placeOf(cursor: string): NonNullable<HumanTaskQuery['after']> {
  const [rank = '', runId = '', op = '', ...rest] = cursor.split('-')
  const number = Number(op)
  if (!isRunId(runId) || !Number.isSafeInteger(number) || rank === '' || rest.length > 0)
    throw new PerdureError('ARGUMENT_INVALID', 'the cursor is not one that a list of human tasks returned')
  return { rank, runId, op: number }
}
