/**
 * What is logged, without the secrets in it.
 *
 * 1. A field whose name says that it is a secret is not shown, whatever it is.
 * 2. Of texts (messages of errors, stacks, URLs, headers) what looks like a secret is replaced. What looks like one and is none
 *    is replaced as well.
 * 3. It never throws, and its answer is JSON: fields come from users too.
 */
import type { Json } from '../protocol/json.ts'

export const REDACTED = '[redacted]'

/** Of a text so much is shown; as much again is looked at, so that a secret at the cut is seen as a whole. */
const TEXT_CHARACTERS = 16_384
const DEPTH_MOST = 32
const NAME_CHARACTERS = 64

const SECRET_NAME = /(?:password|passwd|passphrase|pwd|secret|token|authorization|cookie|credential|jwt)s?$/i
const SECRET_WORD = /^(?:auth|pass|bearer|pin|otp)$/i
const KEY_NAME = /(?:^|[^a-z]|(?:api|access|private|secret|signing|encryption|master|account|data))keys?$/i
const CAMEL_KEY_NAME = /[a-z0-9]Keys?$/
const HARMLESS_KEY_NAME =
  /(?:idempotency|partition|group|sort|primary|foreign|public|routing|cache|fairness|workflow|queue|task|limit)[-_. ]?keys?$/i
const PLURAL = /s$/i

const PRIVATE_KEY =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g
const API_KEY = /pdk_[\w-]+/g
/** JWS and JWE, compact: each begins with `{` in base64. */
const WEB_TOKEN = /(?:(?<![\w.-])|(?<=\\[bfnrt]))ey[\w-]{8,}\.[\w-]*(?:\.[\w-]*){1,3}/g
const SCHEME = /\b(bearer|dpop|negotiate)( +)[\w.~+/=-]{8,}/gi
const BASIC = /\b(basic)( +)([a-z0-9+/]{4,}={0,2})/gi
const HEADER =
  /\b((?:proxy-)?authorization|(?:set-)?cookie)(\\*["']?\s{0,8}[:=]\s{0,8})(\\*"[^"]*"?|'[^']*'?|[^\r\n"']+)/gi
/** Up to what cannot be in one; several may follow one another with commas. */
const URLS = /(?:https?)?:\/\/[^\s"'<>]{1,4096}/gi
/** The user, and what follows: a password, or none. A port is no password: `http://host:80/users/a@b`. */
const URL_USER = /([^:/?#@]*)(:(?!\d{1,5}(?:[/?#,]|$))|@)/y
const URL_PARAMETER = /([?&](?:key|sig|signature|code|auth)=)[^\s&#"'<>]+/gi
const ASSIGNMENT =
  /(password|passwd|passphrase|pwd|secret|token|(?:api|access|private|secret|signing|encryption|master|account)[-_ ]?key)(\\*["']?\s{0,8}[=:]\s{0,8})(\\*"[^"]*"?|'[^']*'?|[^\s,;&"'(){}[\]]+)/gi
const SQL_PASSWORD = /\b(password\s{1,8})'[^']*'?/gi

/** The text without what looks like a secret; the end of a long one is left out, and said to be. */
export function redactedText(text: string): string {
  const seen = text.length > 2 * TEXT_CHARACTERS ? text.slice(0, 2 * TEXT_CHARACTERS) : text
  const redacted = seen
    .replaceAll(PRIVATE_KEY, '[redacted private key]')
    .replaceAll(API_KEY, `pdk_${REDACTED}`)
    .replaceAll(WEB_TOKEN, REDACTED)
    .replaceAll(HEADER, `$1$2${REDACTED}`)
    .replaceAll(SCHEME, `$1$2${REDACTED}`)
    .replaceAll(BASIC, withoutBasic)
    .replaceAll(URLS, withoutUser)
    .replaceAll(URL_PARAMETER, `$1${REDACTED}`)
    .replaceAll(ASSIGNMENT, `$1$2${REDACTED}`)
    .replaceAll(SQL_PASSWORD, `$1${REDACTED}`)
  if (text.length <= TEXT_CHARACTERS) return redacted
  // It is shorter than it was, and may end with a secret that was not seen as a whole.
  const known = seen === text ? redacted.length : Math.max(0, redacted.length - TEXT_CHARACTERS)
  return `${redacted.slice(0, Math.min(known, TEXT_CHARACTERS))}… [of ${text.length} characters]`
}

/** A password may have an `@` that is not written as `%40`. On the web, a user without a password is mostly a token. */
function withoutUser(urls: string): string {
  const last = urls.lastIndexOf('@')
  for (let at = urls.indexOf('://'); at >= 0 && at < last; at = urls.indexOf('://', at + 1)) {
    const begin = at + '://'.length
    URL_USER.lastIndex = begin
    const [, user = '', next] = URL_USER.exec(urls) ?? []
    if (next === ':') return `${urls.slice(0, begin)}${user}:${REDACTED}${urls.slice(last)}`
    if (next === '@' && user !== '' && /https?$/i.test(urls.slice(Math.max(0, at - 5), at)))
      return `${urls.slice(0, begin)}${REDACTED}${withoutUser(urls.slice(begin + user.length))}`
  }
  return urls
}

/** `basic authentication` is not one of a user and a password. */
function withoutBasic(all: string, scheme: string, space: string, given: string): string {
  return Buffer.from(given, 'base64').includes(':') ? `${scheme}${space}${REDACTED}` : all
}

/** Fields of a log record as JSON, without secrets. */
export function redactedFields(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, Json>> {
  const plain = plainOf(fields, [])
  return isObject(plain) ? plain : { fields: plain ?? null }
}

/** A count of secrets is none. */
function isSecret(name: string, value: unknown): boolean {
  if (value === undefined || value === null || typeof value === 'boolean' || typeof value === 'function')
    return false
  if (!isSecretName(name)) return false
  return !(typeof value === 'number' && PLURAL.test(name))
}

function isSecretName(name: string): boolean {
  if (SECRET_NAME.test(name) || SECRET_WORD.test(name)) return true
  return (KEY_NAME.test(name) || CAMEL_KEY_NAME.test(name)) && !HARMLESS_KEY_NAME.test(name)
}

/** @param around what it is in, against circles */
function plainOf(value: unknown, around: readonly object[]): Json | undefined {
  if (typeof value === 'string') return redactedText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value !== 'object') return undefined
  if (around.includes(value)) return '[circular]'
  if (around.length >= DEPTH_MOST) return '[too deep]'
  try {
    return plainObject(value, [...around, value])
  } catch {
    return '[unreadable]'
  }
}

function plainObject(value: object, around: readonly object[]): Json | undefined {
  if (value instanceof Error) return plainMembers(errorFields(value), around)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    const told: unknown = value.toJSON()
    if (told !== value) return plainOf(told, around)
  }
  return Array.isArray(value) ? plainList(value, around) : plainMembers(value, around)
}

function errorFields(error: Error): object {
  const { name, message, stack, cause } = error
  const { code } = error as { readonly code?: unknown }
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    stack,
    ...(cause === undefined ? {} : { cause }),
  }
}

/** Headers and arguments are lists of names and values: `['Authorization', 'Bearer …']`, `['--password', '…']`. */
function plainList(list: readonly unknown[], around: readonly object[]): readonly Json[] {
  return list.map((value, index) => {
    const before: unknown = list[index - 1]
    if (typeof value === 'string' && typeof before === 'string' && before.length <= NAME_CHARACTERS)
      if (isSecret(before, value)) return REDACTED
    return plainOf(value, around) ?? null
  })
}

function plainMembers(value: object, around: readonly object[]): Readonly<Record<string, Json>> {
  const members: [string, Json][] = []
  for (const name of Object.keys(value)) {
    const plain = plainMember(value, name, around)
    if (plain !== undefined) members.push([redactedText(name), plain])
  }
  return Object.fromEntries(members)
}

function plainMember(value: object, name: string, around: readonly object[]): Json | undefined {
  let member: unknown
  try {
    member = (value as Readonly<Record<string, unknown>>)[name]
  } catch {
    return '[unreadable]'
  }
  return isSecret(name, member) ? REDACTED : plainOf(member, around)
}

function isObject(value: Json | undefined): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
