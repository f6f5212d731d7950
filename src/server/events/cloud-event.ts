/**
 * CloudEvents 1.0 (cloudevents.io, spec v1.0.2): the JSON format, the binary mode of the HTTP binding, and batches.
 *
 * What arrives is looked at here, all of it; an event that is none is refused with the attribute that is wrong.
 */
import { PerdureError } from '../../protocol/errors.ts'
import type { Json } from '../../protocol/json.ts'
import { isDeeper } from '../../protocol/json-frame.ts'

export interface CloudEvent {
  readonly specversion: '1.0'
  readonly id: string
  /** A URI reference. Events of one source with one id are the same event. */
  readonly source: string
  readonly type: string
  readonly subject?: string
  /** RFC 3339. */
  readonly time?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly data?: Json
  /** Instead of `data`: bytes. */
  readonly data_base64?: string
  /** Extensions: lower-case letters and digits. */
  readonly [extension: string]: Json | undefined
}

export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>

/** Media types of the two structured forms. */
export const EVENT_TYPE = 'application/cloudevents+json'
export const BATCH_TYPE = 'application/cloudevents-batch+json'

const TEXT_CHARACTERS = 1024
/** As of bodies that are JSON. */
const DEPTH_MOST = 200
const EXTENSIONS = 64
const ATTRIBUTE_NAME = /^[a-z0-9]{1,64}$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/
/** No scheme, authority and path of RFC 3986 has these. */
const NOT_IN_URI = /[\s<>"{}|\\^`\p{Cc}]/u
const JSON_TYPE = /^(?:application|text)\/(?:[^;]+\+)?json(?:\s*;|$)/i

const REQUIRED = ['specversion', 'id', 'source', 'type'] as const
const TEXTS = ['subject', 'datacontenttype', 'dataschema', 'time'] as const

/** @throws PerdureError `ARGUMENT_INVALID` */
export function cloudEventOf(value: unknown, place = 'the event'): CloudEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(place, 'is not a JSON object')
  const given = value as Readonly<Record<string, Json>>
  for (const name of REQUIRED) checkText(given[name], `${place}: ${name}`)
  if (given.specversion !== '1.0')
    throw invalid(place, `has specversion ${JSON.stringify(given.specversion)}; known is "1.0"`)
  for (const name of TEXTS) if (given[name] != null) checkText(given[name], `${place}: ${name}`)
  if (NOT_IN_URI.test(String(given.source))) throw invalid(place, 'has a source that is no URI reference')
  const time = given.time
  if (time != null && (!RFC3339.test(String(time)) || Number.isNaN(Date.parse(String(time)))))
    throw invalid(place, `has a time that is not of RFC 3339: ${JSON.stringify(time)}`)
  checkData(given, place)
  checkExtensions(given, place)
  // Attributes that are null are absent (spec 1.0.2, JSON format, 2.2). The one cast: all were looked at.
  return Object.fromEntries(
    Object.entries(given).filter(([name, each]) => each !== null || name === 'data'),
  ) as unknown as CloudEvent
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function cloudEventsOf(value: unknown, mostEvents: number): readonly CloudEvent[] {
  if (!Array.isArray(value)) throw invalid('the batch', 'is not a JSON list')
  if (value.length > mostEvents)
    throw invalid('the batch', `has ${value.length} events; at most ${mostEvents} go at once`)
  return value.map((each, i) => cloudEventOf(each, `event ${i}`))
}

/** The headers say that the body is the data, and have the attributes (HTTP binding, 3.1). */
export function isBinaryMode(headers: HeaderValues): boolean {
  return headers['ce-specversion'] !== undefined
}

/**
 * @param body what the request carried, bytes or JSON that was read already; undefined: nothing
 * @throws PerdureError `ARGUMENT_INVALID`
 */
export function binaryEventOf(
  headers: HeaderValues,
  body: Uint8Array | { readonly data: Json } | undefined,
): CloudEvent {
  const attributes: Record<string, Json> = {}
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith('ce-') || value === undefined) continue
    if (typeof value !== 'string') throw invalid('the event', `has the header ${header} more than once`)
    attributes[header.slice('ce-'.length)] = headerText(value, header)
  }
  if ('data' in attributes || 'data_base64' in attributes || 'datacontenttype' in attributes)
    throw invalid('the event', 'has its data, or their type, in a header of its own: they are the body')
  const type = headers['content-type']
  if (typeof type === 'string') attributes.datacontenttype = type
  return cloudEventOf({ ...attributes, ...dataOf(body, typeof type === 'string' ? type : undefined) })
}

function dataOf(
  body: Uint8Array | { readonly data: Json } | undefined,
  type: string | undefined,
): Record<string, Json> {
  if (body !== undefined && !(body instanceof Uint8Array)) return body.data === undefined ? {} : body
  if (body === undefined || body.length === 0) return {}
  if (type !== undefined && !JSON_TYPE.test(type)) {
    if (/^text\//i.test(type)) return { data: decodedText(body) }
    return { data_base64: Buffer.from(body).toString('base64') }
  }
  const text = decodedText(body)
  if (isDeeper(text, DEPTH_MOST))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `the data of the event are nested deeper than ${DEPTH_MOST} levels`,
    )
  try {
    return { data: JSON.parse(text) as Json }
  } catch (error) {
    throw new PerdureError('ARGUMENT_INVALID', 'the data of the event are not JSON', { cause: error })
  }
}

function decodedText(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (error) {
    throw new PerdureError('ARGUMENT_INVALID', 'the data of the event are not UTF-8', { cause: error })
  }
}

/** Values of headers are percent-encoded UTF-8, and may be quoted (HTTP binding, 3.1.3.2). */
function headerText(value: string, header: string): string {
  const plain = /^"(.*)"$/.exec(value)?.[1]?.replace(/\\(.)/g, '$1') ?? value
  try {
    return decodeURIComponent(plain)
  } catch (error) {
    throw new PerdureError('ARGUMENT_INVALID', `the header ${header} is not percent-encoded UTF-8`, {
      cause: error,
    })
  }
}

function checkText(value: unknown, place: string): void {
  if (typeof value !== 'string' || value === '') throw invalid(place, 'is not a text, or empty')
  if (value.length > TEXT_CHARACTERS) throw invalid(place, `is longer than ${TEXT_CHARACTERS} characters`)
  if (/[\p{Cc}\p{Cs}]/u.test(value)) throw invalid(place, 'has a control character')
}

function checkData(given: Readonly<Record<string, Json>>, place: string): void {
  const { data_base64: bytes } = given
  if (bytes == null) return
  if ('data' in given) throw invalid(place, 'has both data and data_base64')
  if (typeof bytes !== 'string' || !BASE64.test(bytes))
    throw invalid(place, 'has data_base64 that is no base64')
}

const KNOWN: ReadonlySet<string> = new Set([...REQUIRED, ...TEXTS, 'data', 'data_base64'])

function checkExtensions(given: Readonly<Record<string, Json>>, place: string): void {
  const extensions = Object.entries(given).filter(([name]) => !KNOWN.has(name))
  if (extensions.length > EXTENSIONS) throw invalid(place, `has more than ${EXTENSIONS} extensions`)
  for (const [name, value] of extensions) {
    if (!ATTRIBUTE_NAME.test(name))
      throw invalid(
        place,
        `has an attribute ${JSON.stringify(name.slice(0, 100))}: names are lower-case letters and digits`,
      )
    if (value === null || typeof value === 'boolean' || Number.isInteger(value)) continue
    checkText(value, `${place}: ${name}`)
  }
}

function invalid(place: string, what: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `${place} ${what}`)
}
