/**
 * How a rule makes ids and inputs of an event: JSON in which `{/data/order/id}` stands for the value at that place of the
 * event, a JSON Pointer (RFC 6901). A text that is nothing but one such place becomes the value itself, whatever its type; within
 * a longer text it must be a text, a number or a boolean. `{{` and `}}` stand for braces.
 */
import { PerdureError } from '../../protocol/errors.ts'
import type { Json } from '../../protocol/json.ts'

type Part = string | { readonly pointer: string; readonly tokens: readonly string[] }

const DEPTH_LIMIT = 64
const TEMPLATE_CHARACTERS = 4096

/** @throws PerdureError `ARGUMENT_INVALID` if it is no template */
export function checkTemplate(template: Json, depth = 0): void {
  if (depth > DEPTH_LIMIT)
    throw new PerdureError('ARGUMENT_INVALID', `a mapping is nested deeper than ${DEPTH_LIMIT}`)
  if (typeof template === 'string') partsOf(template)
  else if (typeof template === 'object' && template !== null)
    for (const each of Object.values(template)) checkTemplate(each as Json, depth + 1)
}

/** @throws PerdureError `INPUT_INVALID` if the event lacks what the template names */
export function filled(template: Json, event: Json): Json {
  if (typeof template === 'string') return filledText(template, event)
  if (typeof template !== 'object' || template === null) return template
  if (Array.isArray(template)) return template.map((each) => filled(each, event))
  const entries = Object.entries(template).map(([name, each]) => [name, filled(each as Json, event)])
  return Object.fromEntries(entries) as Json
}

/** What is made of every event; undefined: it depends on the event. */
export function textOf(template: string): string | undefined {
  const parts = partsOf(template)
  return parts.every((part) => typeof part === 'string') ? parts.join('') : undefined
}

/** The same, for an id. */
export function filledId(template: string, event: Json): string {
  const parts = partsOf(template)
  return parts.map((part) => (typeof part === 'string' ? part : textAt(part, event))).join('')
}

function filledText(template: string, event: Json): Json {
  const parts = partsOf(template)
  const [only] = parts
  if (parts.length === 1 && only !== undefined && typeof only !== 'string') return valueAt(only, event)
  return parts.map((part) => (typeof part === 'string' ? part : textAt(part, event))).join('')
}

function partsOf(template: string): readonly Part[] {
  if (template.length > TEMPLATE_CHARACTERS)
    throw new PerdureError('ARGUMENT_INVALID', `a template is longer than ${TEMPLATE_CHARACTERS} characters`)
  const parts: Part[] = []
  let text = ''
  for (let i = 0; i < template.length; i++) {
    const character = template[i]
    if ((character === '{' || character === '}') && template[i + 1] === character) {
      text += character
      i += 1
    } else if (character === '{') {
      const end = template.indexOf('}', i)
      const pointer = end < 0 ? undefined : template.slice(i + 1, end)
      if (pointer === undefined || (pointer !== '' && !pointer.startsWith('/')) || /~(?![01])/.test(pointer))
        throw new PerdureError(
          'ARGUMENT_INVALID',
          `the template ${JSON.stringify(template)} has a brace without a JSON Pointer such as {/data/id}; {{ stands for a brace`,
        )
      if (text !== '') parts.push(text)
      text = ''
      parts.push({ pointer, tokens: tokensOf(pointer) })
      i = end
    } else if (character === '}')
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `the template ${JSON.stringify(template)} has a single }: }} stands for a brace`,
      )
    else text += character
  }
  if (text !== '') parts.push(text)
  return parts
}

function tokensOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function valueAt({ pointer, tokens }: Exclude<Part, string>, event: Json): Json {
  let value: Json = event
  for (const token of tokens) {
    const isPlace = Array.isArray(value) ? /^(?:0|[1-9]\d*)$/.test(token) : true
    if (typeof value !== 'object' || value === null || !isPlace || !Object.hasOwn(value, token))
      throw new PerdureError('INPUT_INVALID', `the event has nothing at ${pointer}`)
    value = (value as Readonly<Record<string, Json>>)[token] as Json
  }
  return value
}

function textAt(part: Exclude<Part, string>, event: Json): string {
  const value = valueAt(part, event)
  if (typeof value === 'object')
    throw new PerdureError('INPUT_INVALID', `the event has no text and no number at ${part.pointer}`)
  return String(value)
}
