/** The history of a run as a stream of events. */
import { isTerminal, type SequencedEvent } from '../../../protocol/event.ts'
import type { RunId } from '../../../protocol/ids.ts'
import type { EventStream } from '../event-streams.ts'
import { RequestError } from '../problem.ts'
import type { Answer, RouteRequest } from '../route.ts'
import { executionTarget, runIdOf } from '../targets.ts'

/** What is read at a time is about so much, and at most so many events: they wait in memory for the reader. */
const READ_CHARACTERS = 256 * 1024
const FIRST_EVENTS = 16
const MOST_EVENTS = 1000

const EVENT_ID = /^([0-9A-HJKMNP-TV-Z]{26}):(\d{1,15})$/

interface Place {
  readonly runId: RunId
  readonly afterSeq: number
}

export async function watchExecution(
  request: RouteRequest,
  id: string,
  query: { readonly runId?: string; readonly afterSeq?: number },
): Promise<Answer> {
  const { services } = request
  const giveBack = services.streams.keepPlace()
  try {
    const begun = await beginning(request, id, query)
    if (begun !== undefined) return streamed(request, id, { ...begun, giveBack })
  } catch (error) {
    giveBack()
    throw error
  }
  giveBack()
  return { status: 204 }
}

interface Beginning {
  readonly place: Place
  readonly first: readonly SequencedEvent[]
}

/** Undefined: it has ended, and its reader has seen that. */
async function beginning(
  request: RouteRequest,
  id: string,
  query: { readonly runId?: string; readonly afterSeq?: number },
): Promise<Beginning | undefined> {
  const { port } = request
  const isResumed = request.headers['last-event-id'] !== undefined
  const place = placeOf(request) ?? {
    runId:
      query.runId === undefined
        ? (await port.describe(executionTarget(request, id, undefined))).runId
        : runIdOf(query.runId),
    afterSeq: query.afterSeq ?? 0,
  }
  // Also of a run that is not there: before the stream begins, the answer can still say so.
  const first = await read(request, id, { place, limit: FIRST_EVENTS, wait: false })
  if (first.length === 0 && isResumed && (await hasEnded(request, id, place.runId))) return undefined
  return { place, first }
}

function streamed(
  request: RouteRequest,
  id: string,
  { place, first, giveBack }: Beginning & { readonly giveBack: () => void },
): Answer {
  const { streams, access } = request.services
  return {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    stream: (response) => {
      giveBack()
      return streams.serve(response, async (stream) => {
        const unfollow = access.follow(request.caller, () => stream.end())
        try {
          await follow(request, id, { stream, place, first })
        } finally {
          unfollow()
        }
      })
    },
  }
}

async function follow(
  request: RouteRequest,
  id: string,
  {
    stream,
    place,
    first,
  }: { readonly stream: EventStream; readonly place: Place; readonly first: readonly SequencedEvent[] },
): Promise<void> {
  let { afterSeq } = place
  let events = first
  let limit = FIRST_EVENTS
  for (let isFirst = true; !stream.signal.aborted; isFirst = false) {
    if (events.length === 0 && !isFirst) break
    let characters = 0
    for (const each of events) {
      const data = request.payloads.event(each)
      characters += JSON.stringify(data).length
      await stream.send({ id: `${place.runId}:${each.seq}`, data })
      afterSeq = each.seq
    }
    if (events.some(({ event }) => isTerminal(event) && isLast(events, event))) break
    if (events.length > 0) limit = nextLimit(events.length, characters)
    events = await read(request, id, {
      place: { ...place, afterSeq },
      limit,
      wait: true,
      signal: stream.signal,
    })
  }
  if (!stream.signal.aborted) await stream.send({ event: 'end', data: {} })
}

/** A run that was reopened (a retry) has events after its end. */
function isLast(events: readonly SequencedEvent[], event: SequencedEvent['event']): boolean {
  return events.at(-1)?.event === event
}

function nextLimit(events: number, characters: number): number {
  const average = Math.max(1, characters / events)
  return Math.min(MOST_EVENTS, Math.max(1, Math.floor(READ_CHARACTERS / average)))
}

function read(
  request: RouteRequest,
  id: string,
  {
    place,
    limit,
    wait,
    signal,
  }: { readonly place: Place; readonly limit: number; readonly wait: boolean; readonly signal?: AbortSignal },
): Promise<readonly SequencedEvent[]> {
  const target = executionTarget(request, id, place.runId)
  const until = signal === undefined ? {} : { signal }
  return request.port.history(target, place.afterSeq, { limit, wait, ...until })
}

/** Asked again after that it would wait for more. */
async function hasEnded(request: RouteRequest, id: string, runId: RunId): Promise<boolean> {
  const { closedAt } = await request.port.describe(executionTarget(request, id, runId))
  return closedAt !== undefined
}

/** @throws RequestError `ARGUMENT_INVALID` */
function placeOf({ headers }: RouteRequest): Place | undefined {
  const given = headers['last-event-id']
  if (given === undefined) return undefined
  const [, runId = '', seq = ''] = (typeof given === 'string' ? EVENT_ID.exec(given) : null) ?? []
  if (seq !== '') return { runId: runIdOf(runId), afterSeq: Number(seq) }
  const detail = 'must be an id that came with the stream, such as 01J…:12'
  throw new RequestError('ARGUMENT_INVALID', `the header Last-Event-ID ${detail}`, {
    faults: [{ in: 'header', pointer: '/Last-Event-ID', detail }],
  })
}
