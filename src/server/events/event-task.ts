/**
 * Events from outside: each is recorded as a task of the engine's own before it is acknowledged, and then does what the rules of
 * its namespace say.
 *
 * 1. One event, by source and id, is one task: what comes again is known, until retention has deleted the task.
 * 2. What a rule does has ids made of the event, the rule and what it is about: done again after a crash, it is not done twice.
 *    What is done is kept: a rule does not act again because another one could not.
 * 3. What a rule does is decided as a call of whoever has made it, about the very execution.
 * 4. What cannot be done is tried again; what has failed for good is a failed task of the queue `perdure.events`.
 */
import { createHash } from 'node:crypto'
import { checkedName } from '../../protocol/checked-text.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { ERROR_CATALOGUE, type ErrorCode, PerdureError } from '../../protocol/errors.ts'
import type { Attributes } from '../../protocol/event.ts'
import { NonRetryableError } from '../../protocol/failure.ts'
import { type RunId, runIdOf, runStartMs } from '../../protocol/ids.ts'
import type { Limits } from '../../protocol/limits.ts'
import { encodePayload } from '../../protocol/payload.ts'
import { RESERVED_ID } from '../../protocol/task-port.ts'
import { parsedTraceContext, traceField } from '../../protocol/trace-context.ts'
import { checkedAttributes } from '../../sdk/checked-attributes.ts'
import { type Task, type TaskContext, task } from '../../sdk/tasks/task.ts'
import type { Access } from '../access/access.ts'
import type { ActingPort } from '../access/rule-maker.ts'
import { EVENT_QUEUE } from '../own-queues.ts'
import type { RegistryReads } from '../registry-reads.ts'
import type { CloudEvent } from './cloud-event.ts'
import { type EventEffect, effectOf, isMatch, type KeptEventRule } from './event-rule.ts'

export const EVENT_RULE_KIND = 'event-rule'
export const EVENT_TASK = 'perdure.handle-event'

/** Within about a day: what an event is about may be started a little later than the event comes. */
const EVENT_RETRY = {
  maxAttempts: 15,
  initialMs: 500,
  maxMs: 4 * 3_600_000,
  backoff: 'full-jitter',
  nonRetryable: [],
} as const

export interface EventReceipt {
  readonly source: string
  readonly id: string
  /** False: it had come before. */
  readonly accepted: boolean
}

export interface EventTaskOptions {
  readonly access: Pick<Access, 'actingPort'>
  readonly registry: RegistryReads
  readonly limits: Limits
}

interface Recorded {
  readonly namespace: string
  readonly event: CloudEvent
  /** Run ids of what it starts are made of this one. */
  readonly base: RunId
}

/** Resolves when all are recorded. */
export async function acceptEvents(
  { tasks }: Pick<ClientPort, 'tasks'>,
  { namespace, events }: { readonly namespace: string; readonly events: readonly CloudEvent[] },
  { newRunId, payloadBytes }: { readonly newRunId: () => RunId; readonly payloadBytes: number },
): Promise<readonly EventReceipt[]> {
  const replies = await tasks.enqueue(
    events.map((event) => ({
      namespace,
      name: EVENT_TASK,
      queue: EVENT_QUEUE,
      id: taskIdOf(event),
      input: encodePayload({ namespace, event, base: newRunId() } satisfies Recorded, payloadBytes),
      retry: EVENT_RETRY,
    })),
  )
  return events.map(({ source, id }, i) => ({ source, id, accepted: replies[i]?.enqueued === true }))
}

export function eventTask(options: EventTaskOptions): Task {
  return task({
    name: EVENT_TASK,
    queue: EVENT_QUEUE,
    timeouts: { startToClose: '1m' },
    run: (context, recorded: Recorded) => handle(options, context, recorded),
  }) as Task
}

async function handle(
  options: EventTaskOptions,
  context: TaskContext,
  { namespace, event, base }: Recorded,
): Promise<{ readonly rules: readonly string[] }> {
  const rules = options.registry
    .list(EVENT_RULE_KIND, namespace)
    // What is in the registry was checked when it was put there.
    .map(({ id, body }) => ({ id, rule: body as unknown as KeptEventRule }))
    .filter(({ rule }) => isMatch({ ...rule, paused: false }, event))
  const troubles: { readonly rule: string; readonly error: unknown }[] = []
  const { done, waits } = progressOf(context)
  const acted = new Set(done)
  for (const [i, { id, rule }] of rules.entries()) {
    if (acted.has(id)) continue
    const isPaused = rule.paused === true
    // While it is paused it has nothing to do with what comes: with what waits for it, it has.
    if (isPaused && !waits.includes(id)) continue
    try {
      if (isPaused) throw new Error('it is paused')
      const calls = await options.access.actingPort({
        maker: rule.maker,
        namespace,
        name: `event rule ${id}`,
      })
      await carryOut({ calls, limits: options.limits }, effectOf(rule, event), {
        namespace,
        rule: id,
        event,
        base,
      })
      acted.add(id)
      // Whatever ends this attempt while the next ones are at it.
      if (i < rules.length - 1) context.heartbeat({ done: [...acted], waits } satisfies Progress)
    } catch (error) {
      const about = { rule: id, event: event.id, source: event.source, error: messageOf(error) }
      // It is tried again and again: the task says what it waits for.
      if (context.attempt === 1) context.log.warn('a rule has failed for an event', about)
      else context.log.debug('a rule has failed for an event again', about)
      troubles.push({ rule: id, error })
    }
  }
  if (troubles.length > 0) {
    context.heartbeat({ done: [...acted], waits: troubles.map(({ rule }) => rule) } satisfies Progress)
    throw failureOf(troubles)
  }
  return { rules: [...acted] }
}

/** What the next attempt begins with. */
interface Progress {
  /** Rules that have acted on the event: they do not act again because another one could not. */
  readonly done: readonly string[]
  /** Those that could not. */
  readonly waits: readonly string[]
}

function progressOf({ checkpoint }: TaskContext): Progress {
  // It is one of these, or nothing.
  return (checkpoint as Progress | undefined) ?? { done: [], waits: [] }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function carryOut(
  { calls, limits }: { readonly calls: ActingPort; readonly limits: Limits },
  { workflowId, start, signal }: EventEffect,
  about: Recorded & { readonly rule: string },
): Promise<void> {
  const { namespace } = about
  const key = { namespace, workflowId: checkedName(workflowId, 'the workflow id', limits.idBytes) }
  const { source, id } = about.event
  const requestId = `event:${digestOf(source, id, about.rule, workflowId).toString('base64url')}`
  const sent =
    signal === undefined
      ? undefined
      : { name: signal.name, payload: encodePayload(signal.payload, limits.payloadBytes), requestId }
  if (start === undefined) {
    if (sent !== undefined) await calls.signal({ key }, sent.name, sent.payload, requestId)
    return
  }
  const { workflow, version, input, attributes } = start
  await calls.start({
    key,
    workflow,
    version,
    input: encodePayload(input, limits.payloadBytes),
    onConflict: 'use-existing',
    runId: runIdFor(about, workflowId),
    ...(attributes === undefined ? {} : { attributes: checkedAttributes(attributes as Attributes) }),
    ...(sent === undefined ? {} : { signal: sent }),
    // Distributed Tracing extension of CloudEvents.
    ...traceField(parsedTraceContext(about.event.traceparent, about.event.tracestate)),
  })
}

/** The rule that only time can help is tried again; if there is none, trying again helps nobody. */
function failureOf(troubles: readonly { readonly rule: string; readonly error: unknown }[]): Error {
  const text = troubles
    .map(({ rule, error }) => `rule ${rule}: ${error instanceof Error ? error.message : error}`)
    .join('; ')
  const [first] = troubles
  const mayHelp = troubles.some(({ error }) => !(error instanceof PerdureError) || isPassing(error))
  return mayHelp
    ? new Error(text, { cause: first?.error })
    : new NonRetryableError(text, { cause: first?.error })
}

/** What an event is about may come later, and so may its code; and what its maker may do is changed while it is in use. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['EXECUTION_NOT_FOUND', 'WORKFLOW_UNKNOWN', 'FORBIDDEN'])

function isPassing({ code }: PerdureError): boolean {
  return ERROR_CATALOGUE[code].retryable || PASSING.has(code)
}

function taskIdOf({ source, id }: CloudEvent): string {
  return `${RESERVED_ID}event:${digestOf(source, id).toString('base64url')}`
}

/** The same for each attempt: asked again, it finds its run. Another id, of a rule that was changed meanwhile, has another run. */
function runIdFor({ base, event, rule }: Recorded & { readonly rule: string }, workflowId: string): RunId {
  return runIdOf(runStartMs(base), digestOf(base, event.source, event.id, rule, workflowId).subarray(0, 16))
}

function digestOf(...texts: readonly string[]): Buffer {
  const hash = createHash('sha256')
  // Each with its length: no two lists of texts are the same bytes.
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}:${text}`)
  return hash.digest()
}
