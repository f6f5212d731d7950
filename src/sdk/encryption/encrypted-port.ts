/**
 * The port of a client whose payloads are encrypted: what it sends is encrypted before it leaves this process, what it gets is
 * decrypted. Calls without payloads go through as they are.
 */
import { type JsonCheck, jsonCheck } from '../../platform/json-schema.ts'
import type { ClientPort, ExecutionDescription, ExecutionTarget } from '../../protocol/client-port.ts'
import type { PayloadPlace } from '../../protocol/encrypted-payload.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { SequencedEvent } from '../../protocol/event.ts'
import { errorOf, failureOf } from '../../protocol/failure.ts'
import type { WorkflowKey } from '../../protocol/ids.ts'
import { isJson } from '../../protocol/json.ts'
import { decodePayload, type Payload } from '../../protocol/payload.ts'
import { mapEvent, mappedDecision, withData } from '../../protocol/payload-places.ts'
import type { HumanTaskDescription, HumanTaskTarget, PeoplePort } from '../../protocol/people-port.ts'
import { encryptedSchedules } from './encrypted-schedules.ts'
import { encryptedTasks } from './encrypted-tasks.ts'
import { ExecutionPlaces, inputPlace } from './execution-places.ts'
import type { Coder, PayloadCodec } from './payload-codec.ts'

export function encryptedPort(port: ClientPort, codec: PayloadCodec): ClientPort {
  return {
    tasks: encryptedTasks(port, codec),
    schedules: encryptedSchedules(port.schedules, codec),
    queues: port.queues,
    people: encryptedPeople(port, codec),
    workers: port.workers,
    nodes: port.nodes,
    ...encryptedExecutions(port, codec),
    cancel: (target, reason) => port.cancel(target, reason),
    terminate: (target, reason) => port.terminate(target, reason),
    retry: (target) => port.retry(target),
    list: (query) => port.list(query),
    delete: (target) => port.delete(target),
    newRequestId: () => port.newRequestId(),
  }
}

type ExecutionCalls = Pick<
  ClientPort,
  'start' | 'signal' | 'query' | 'update' | 'outcome' | 'describe' | 'explain' | 'history'
>

function encryptedExecutions(port: ClientPort, codec: PayloadCodec): ExecutionCalls {
  const code = <T>({ namespace }: WorkflowKey, use: (coder: Coder) => T): T | Promise<T> =>
    codec.code(namespace, use)
  const failing = async <T>({ key }: ExecutionTarget, call: () => Promise<T>): Promise<T> => {
    try {
      return await call()
    } catch (error) {
      throw await readableError(error, key, codec)
    }
  }
  return {
    start: async (request) => {
      const { key, signal } = request
      const sealed = await code(key, (coder) => ({
        ...request,
        input: coder.seal(request.input, inputPlace(key)),
        ...(signal === undefined
          ? {}
          : { signal: { ...signal, payload: coder.seal(signal.payload, placeOf(key, 'signal')) } }),
      }))
      return port.start(sealed)
    },
    signal: async (target, name, payload, requestId) => {
      const { key } = target
      const sealed = await code(key, (coder) => coder.seal(payload, placeOf(key, 'signal')))
      return port.signal(target, name, sealed, requestId)
    },
    query: async (target, name, payload) => {
      const { key } = target
      const sealed = await code(key, (coder) => coder.seal(payload, placeOf(key, 'query')))
      const answer = await failing(target, () => port.query(target, name, sealed))
      return code(key, (coder) => coder.open(answer, placeOf(key, 'query-result')))
    },
    update: async (target, name, payload, updateId, options) => {
      const { key } = target
      const sealed = await code(key, (coder) => coder.seal(payload, placeOf(key, 'update')))
      const answer = await failing(target, () => port.update(target, name, sealed, updateId, options))
      return code(key, (coder) => coder.open(answer, placeOf(key, 'update-result')))
    },
    outcome: async (...given) => {
      const [{ key }] = given
      const outcome = await port.outcome(...given)
      return code(key, (coder) =>
        outcome.status === 'completed'
          ? { ...outcome, result: coder.open(outcome.result, placeOf(key, 'result')) }
          : { ...outcome, failure: coder.readFailure(outcome.failure, failurePlace(key)) },
      )
    },
    describe: async (target) => {
      const description = await port.describe(target)
      return code(target.key, (coder) => readDescription(description, coder))
    },
    explain: async (target) => {
      const explanation = await port.explain(target)
      const { failure } = explanation
      return code(target.key, (coder) => ({
        ...explanation,
        ...(failure === undefined ? {} : { failure: coder.readFailure(failure, failurePlace(target.key)) }),
        waits: explanation.waits.map((wait) =>
          wait.kind === 'step-retry' && wait.failure !== undefined
            ? { ...wait, failure: coder.readFailure(wait.failure, failurePlace(target.key)) }
            : wait,
        ),
      }))
    },
    history: async (target, afterSeq, options) =>
      readEvents(await port.history(target, afterSeq, options), target, { port, codec, afterSeq }),
  }
}

function placeOf(
  { namespace, workflowId: owner }: WorkflowKey,
  purpose: PayloadPlace['purpose'],
): PayloadPlace {
  return { namespace, owner, purpose }
}

function failurePlace({ namespace, workflowId: owner }: WorkflowKey) {
  return { namespace, owner, purpose: 'failure' as const }
}

/** An error that the engine has answered with; what of it cannot be read stays as it is. */
async function readableError(error: unknown, key: WorkflowKey, codec: PayloadCodec): Promise<unknown> {
  const failure = failureOf(error)
  const read = await codec.code(key.namespace, (coder) => coder.readFailure(failure, failurePlace(key)))
  return read === failure ? error : errorOf(read)
}

function readDescription(description: ExecutionDescription, coder: Coder): ExecutionDescription {
  const { key, failure, pending } = description
  const place = failurePlace(key)
  return {
    ...description,
    ...(failure === undefined ? {} : { failure: coder.readFailure(failure, place) }),
    pending: pending.map((each) =>
      each.lastFailure === undefined
        ? each
        : { ...each, lastFailure: coder.readFailure(each.lastFailure, place) },
    ),
  }
}

const EVENTS_PAGE = 1000

async function readEvents(
  events: readonly SequencedEvent[],
  target: ExecutionTarget,
  {
    port,
    codec,
    afterSeq,
  }: { readonly port: ClientPort; readonly codec: PayloadCodec; readonly afterSeq: number },
): Promise<readonly SequencedEvent[]> {
  const places = new ExecutionPlaces(target.key)
  const isOfChild = ({ event: { type } }: SequencedEvent): boolean =>
    type === 'child-completed' || type === 'child-failed'
  // Which children these are is in events before.
  if (afterSeq > 0 && events.some(isOfChild)) await seeBefore(places, target, { port, afterSeq })
  for (const { event } of events) places.see(event)
  return codec.code(target.key.namespace, (coder) => {
    const to = places.reading(coder)
    return events.map(({ seq, event }) => ({ seq, event: mapEvent(event, to) }))
  })
}

async function seeBefore(
  places: ExecutionPlaces,
  target: ExecutionTarget,
  { port, afterSeq }: { readonly port: ClientPort; readonly afterSeq: number },
): Promise<void> {
  for (let seen = 0; seen < afterSeq; ) {
    const page = await port.history(target, seen, { limit: EVENTS_PAGE, wait: false })
    for (const { event } of page) places.see(event)
    const last = page.at(-1)
    if (last === undefined) return
    seen = last.seq
  }
}

function encryptedPeople(port: ClientPort, codec: PayloadCodec): PeoplePort {
  const { people } = port
  const keyOf = (target: HumanTaskTarget, { workflowId }: HumanTaskDescription): WorkflowKey => ({
    namespace: target.namespace,
    workflowId,
  })
  return {
    inbox: (query) => people.inbox(query),
    describe: async (target) => {
      const found = await people.describe(target)
      const places = new ExecutionPlaces(keyOf(target, found))
      return codec.code(target.namespace, (coder) => {
        const to = places.reading(coder)
        return {
          ...withData(found, 'human-data', to),
          decisions: found.decisions.map((each) => mappedDecision(each, to)),
          drafts: found.drafts.map((each) => withData(each, 'human-result', to)),
        }
      })
    },
    history: async (target) => {
      const events = await people.history(target)
      const places = new ExecutionPlaces(keyOf(target, await people.describe(target)))
      return codec.code(target.namespace, (coder) => {
        const to = places.reading(coder)
        return events.map(({ seq, event }) => ({ seq, event: mapEvent(event, to) }))
      })
    },
    act: async (target, actor, action, requestId) => {
      if (!('data' in action) || action.data === undefined)
        return people.act(target, actor, action, requestId)
      const found = await people.describe(target)
      assertFits(found, action.data)
      const places = new ExecutionPlaces(keyOf(target, found))
      const sealed = await codec.code(target.namespace, (coder) =>
        withData(action, 'human-result', places.sealing(coder)),
      )
      return people.act(target, actor, sealed, requestId)
    },
  }
}

/** The engine cannot hold against the form what it cannot read. */
function assertFits({ form, title }: HumanTaskDescription, data: Payload): void {
  if (form === undefined) return
  const value = decodePayload(data)
  if (!isJson(value)) throw invalid('what is filled in is not JSON')
  let check: JsonCheck
  try {
    check = jsonCheck(form)
  } catch (error) {
    throw new PerdureError('HUMAN_TASK_DATA_INVALID', 'the form itself is wrong', { cause: error })
  }
  const wrong = check(value)
  if (wrong !== undefined) throw invalid(`the form of '${title}', ${wrong}`)
}

function invalid(what: string): PerdureError {
  return new PerdureError('HUMAN_TASK_DATA_INVALID', what)
}
