/** Durable rules: which events start or signal which executions. */
import { PerdureError } from '../../protocol/errors.ts'
import type { Json } from '../../protocol/json.ts'
import { OWNER_ATTRIBUTE } from '../access/resource.ts'
import type { RuleMaker } from '../access/rule-maker.ts'
import type { CloudEvent } from './cloud-event.ts'
import { checkTemplate, filled, filledId } from './event-template.ts'

/** Each may be several; `*` stands for any characters. */
type Pattern = string | readonly string[]

export interface EventMatch {
  readonly type?: Pattern
  readonly source?: Pattern
  readonly subject?: Pattern
  /** Extension attributes and their values. */
  readonly attributes?: Readonly<Record<string, Pattern>>
}

export interface EventStart {
  readonly workflow: string
  /** Default `'1'`. */
  readonly version?: string
  /** Template of the workflow id. */
  readonly id: string
  /** Template of the input. Default: the data of the event. */
  readonly input?: Json
  readonly attributes?: Readonly<Record<string, Json>>
}

export interface EventSignal {
  /** Template of the workflow id. */
  readonly id: string
  readonly name: string
  /** Template of what the signal carries. Default: the data of the event. */
  readonly input?: Json
}

export interface EventRule {
  readonly match: EventMatch
  /** One of these, or both: then the signal starts the execution if there is none. */
  readonly start?: EventStart
  readonly signal?: EventSignal
  readonly paused?: boolean
}

/** As it is in the registry. */
export interface KeptEventRule extends EventRule {
  /** Whoever has made it, or changed it last. */
  readonly maker?: RuleMaker
}

const PATTERNS = 100
const PATTERN_CHARACTERS = 1024

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkedEventRule(value: unknown): EventRule {
  const rule = fieldsOf(value, 'the rule', ['match', 'start', 'signal', 'paused'])
  const match = fieldsOf(rule.match, 'match', ['type', 'source', 'subject', 'attributes'])
  for (const name of ['type', 'source', 'subject'] as const)
    if (match[name] !== undefined) checkPattern(match[name], `match.${name}`)
  const attributes = match.attributes === undefined ? {} : fieldsOf(match.attributes, 'match.attributes')
  for (const [name, pattern] of Object.entries(attributes)) checkPattern(pattern, `match.attributes.${name}`)
  if (
    Object.keys(match).length === 0 ||
    (match.attributes !== undefined && Object.keys(attributes).length === 0)
  )
    throw invalid('match is empty: name a type, a source, a subject or attributes')
  if (rule.start === undefined && rule.signal === undefined)
    throw invalid('the rule neither starts nor signals: give it start or signal')
  if (rule.start !== undefined) checkStart(rule.start)
  if (rule.signal !== undefined) checkSignal(rule.signal)
  if (rule.paused !== undefined && typeof rule.paused !== 'boolean')
    throw invalid('paused is not true or false')
  const ids = [rule.start, rule.signal].flatMap((each) =>
    each === undefined ? [] : [(each as { id: string }).id],
  )
  if (new Set(ids).size > 1) throw invalid('start.id and signal.id differ: both are about one execution')
  // The one cast: all its fields were looked at.
  return rule as unknown as EventRule
}

export function isMatch({ match, paused = false }: EventRule, event: CloudEvent): boolean {
  if (paused) return false
  const { attributes = {}, ...own } = match
  return [...Object.entries(own), ...Object.entries(attributes)].every(([name, pattern]) => {
    const value = Object.hasOwn(event, name) ? event[name] : undefined
    return value != null && typeof value !== 'object' && isLike(pattern as Pattern, String(value))
  })
}

export interface EventEffect {
  readonly workflowId: string
  readonly start?: {
    readonly workflow: string
    readonly version: string
    readonly input: Json
    readonly attributes?: Readonly<Record<string, Json>>
  }
  readonly signal?: { readonly name: string; readonly payload: Json }
}

/** @throws PerdureError `INPUT_INVALID` if the event lacks what the rule names */
export function effectOf({ start, signal }: EventRule, event: CloudEvent): EventEffect {
  const value = event as unknown as Json
  const data = event.data ?? event.data_base64 ?? null
  const id = start?.id ?? signal?.id ?? ''
  const inputOf = (input: Json | undefined): Json => (input === undefined ? data : filled(input, value))
  return {
    workflowId: filledId(id, value),
    ...(start === undefined
      ? {}
      : {
          start: {
            workflow: start.workflow,
            version: start.version ?? '1',
            input: inputOf(start.input),
            ...(start.attributes === undefined
              ? {}
              : { attributes: filled(start.attributes as Json, value) as Readonly<Record<string, Json>> }),
          },
        }),
    ...(signal === undefined ? {} : { signal: { name: signal.name, payload: inputOf(signal.input) } }),
  }
}

function isLike(pattern: Pattern, value: string): boolean {
  if (typeof pattern !== 'string') return pattern.some((each) => isLike(each, value))
  // Parts in their order, without a regular expression: no pattern takes longer than the text is long.
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return pattern === value
  if (!value.startsWith(first)) return false
  let from = first.length
  for (const part of rest) {
    const at = value.indexOf(part, from)
    if (at < 0) return false
    from = at + part.length
  }
  return value.length - last.length >= from && value.endsWith(last)
}

function checkStart(value: unknown): void {
  const start = fieldsOf(value, 'start', ['workflow', 'version', 'id', 'input', 'attributes'])
  checkName(start.workflow, 'start.workflow')
  if (start.version !== undefined) checkName(start.version, 'start.version')
  checkId(start.id, 'start.id')
  if (start.input !== undefined) checkTemplate(start.input as Json)
  if (start.attributes === undefined) return
  const attributes = fieldsOf(start.attributes, 'start.attributes')
  if (Object.hasOwn(attributes, OWNER_ATTRIBUTE))
    throw invalid(`start.attributes: ${OWNER_ATTRIBUTE} is set by the engine`)
  checkTemplate(attributes as Json)
}

function checkSignal(value: unknown): void {
  const signal = fieldsOf(value, 'signal', ['id', 'name', 'input'])
  checkName(signal.name, 'signal.name')
  checkId(signal.id, 'signal.id')
  if (signal.input !== undefined) checkTemplate(signal.input as Json)
}

function checkId(value: unknown, place: string): void {
  checkName(value, place)
  checkTemplate(value as string)
}

function checkName(value: unknown, place: string): void {
  if (typeof value !== 'string' || value === '' || value.length > PATTERN_CHARACTERS)
    throw invalid(`${place} is no text of 1 to ${PATTERN_CHARACTERS} characters`)
}

function checkPattern(value: unknown, place: string): void {
  const patterns = Array.isArray(value) ? value : [value]
  if (patterns.length === 0 || patterns.length > PATTERNS)
    throw invalid(`${place} has ${patterns.length} patterns, not 1 to ${PATTERNS}`)
  for (const each of patterns) checkName(each, place)
}

function fieldsOf(
  value: unknown,
  place: string,
  known?: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${place} is no object`)
  for (const name of Object.keys(value))
    if (known?.includes(name) === false)
      throw invalid(`${place} has a field '${name}'; there are ${known.join(', ')}`)
  return value as Readonly<Record<string, unknown>>
}

function invalid(what: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', what)
}
