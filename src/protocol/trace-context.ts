/**
 * W3C Trace Context (Recommendation of 23 November 2021), as it travels and is stored: the texts of the headers `traceparent` and
 * `tracestate`.
 *
 * What is ill-formed is ignored, as the recommendation has it, and never an error: a bad `traceparent` with its `tracestate`, a
 * bad `tracestate` alone. So what is kept is bounded: 55 and 512 characters.
 */
export interface TraceContext {
  /** Version 00: `00-TRACE-SPAN-FLAGS`, 55 characters. */
  readonly traceparent: string
  /** At most 512 characters. */
  readonly tracestate?: string
}

const TRACEPARENT_LENGTH = 55
/** Of a version that is not known yet: what comes after the part that is known. */
const TRACEPARENT_MOST = 512
const TRACESTATE_MOST = 512
const TRACESTATE_MEMBERS = 32

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const NO_TRACE = '0'.repeat(32)
const NO_SPAN = '0'.repeat(16)
/** Sampled, and random trace id (Level 2): others have no meaning yet, and are not passed on. */
const KNOWN_FLAGS = 0x03
const KEY = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** Of headers, or fields of messages; undefined: there is none, or it is ill-formed. */
export function parsedTraceContext(traceparent: unknown, tracestate?: unknown): TraceContext | undefined {
  if (typeof traceparent !== 'string') return undefined
  const parent = parsedParent(traceparent.trim())
  if (parent === undefined) return undefined
  const state = parsedState(tracestate)
  return state === undefined ? { traceparent: parent } : { traceparent: parent, tracestate: state }
}

/** For a message that has it in a field; ill-formed is absent. */
export function traceContextShape(value: unknown): TraceContext | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { traceparent, tracestate } = value as {
    readonly traceparent?: unknown
    readonly tracestate?: unknown
  }
  return parsedTraceContext(traceparent, tracestate)
}

export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35)
}

/** For records of a log. */
export function traceFields(trace: TraceContext | undefined): { readonly traceId?: string } {
  return trace === undefined ? {} : { traceId: traceIdOf(trace) }
}

/** As a field of a message or an event; it has none if there is none. */
export function traceField(trace: TraceContext | undefined): { readonly trace?: TraceContext } {
  return trace === undefined ? {} : { trace }
}

function parsedParent(text: string): string | undefined {
  if (text.length > TRACEPARENT_MOST) return undefined
  const [, version = '', traceId = '', spanId = '', flags = ''] =
    TRACEPARENT.exec(text.slice(0, TRACEPARENT_LENGTH)) ?? []
  if (version === '' || version === 'ff' || traceId === NO_TRACE || spanId === NO_SPAN) return undefined
  // Later versions may say more, behind a dash.
  if (text.length > TRACEPARENT_LENGTH && (version === '00' || text[TRACEPARENT_LENGTH] !== '-'))
    return undefined
  const known = (Number.parseInt(flags, 16) & KNOWN_FLAGS).toString(16).padStart(2, '0')
  return `00-${traceId}-${spanId}-${known}`
}

/** Several headers are one list. */
function parsedState(given: unknown): string | undefined {
  const text = Array.isArray(given) ? given.join(',') : given
  if (typeof text !== 'string' || text.length > TRACESTATE_MOST) return undefined
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '')
  if (members.length === 0 || members.length > TRACESTATE_MEMBERS) return undefined
  const keys = new Set<string>()
  for (const member of members) {
    const end = member.indexOf('=')
    const key = member.slice(0, Math.max(0, end))
    if (!KEY.test(key) || !VALUE.test(member.slice(end + 1)) || keys.has(key)) return undefined
    keys.add(key)
  }
  return members.join(',')
}
