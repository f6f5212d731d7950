/**
 * Which engine a command talks to, and with which credentials: flags over the environment over a profile.
 *
 * A profile counts as a whole: its token and certificates are shown at its URL, and nowhere else. Whoever names a URL and
 * no profile gets nothing of a profile.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { TlsSettings } from '../platform/tls.ts'
import { DEFAULT_NAMESPACE } from '../protocol/ids.ts'
import type { CommandCall, OptionSpec } from './command.ts'
import { type Profile, readProfiles } from './profiles/profile-file.ts'
import { TLS_OPTIONS, tlsOf } from './tls-options.ts'
import { UsageError } from './usage-error.ts'

export const ENGINE_OPTIONS = {
  url: {
    value: 'URL',
    says: 'of an engine or node that listens; default $PERDURE_URL, or that of the profile',
  },
  profile: { value: 'NAME', says: 'see perdure profile; default $PERDURE_PROFILE, or the one in use' },
  'token-file': {
    value: 'FILE',
    says: 'holds the API key or token to show; default $PERDURE_TOKEN, or that of the profile',
  },
  ...TLS_OPTIONS,
} as const satisfies Record<string, OptionSpec>

/** Of commands that list what a store or an engine has. */
export const NAMESPACE_TO_LIST = {
  value: 'NAME',
  says: 'only this namespace; default: all of a store, $PERDURE_NAMESPACE or `default` of an engine',
} as const satisfies OptionSpec

export interface EngineChoice {
  readonly url: string
  readonly namespace: string
  readonly token: string | undefined
  /** Where the token was given, for messages. */
  readonly tokenFrom: string
  readonly tls: TlsSettings | undefined
}

interface ChosenProfile {
  readonly name: string
  readonly profile: Profile
  readonly isFlag: boolean
}

/** @throws UsageError if none was named */
export function engineOf(call: CommandCall): EngineChoice {
  const engine = chosenEngine(call)
  if (engine === undefined)
    throw new UsageError(
      'no engine was named',
      'Such as --url ws://127.0.0.1:7233, PERDURE_URL, or a profile: perdure profile set NAME --url URL, perdure profile use NAME.',
    )
  return engine
}

export function chosenEngine(call: CommandCall): EngineChoice | undefined {
  const { options, env } = call
  const chosen = profileOf(call)
  const flag = options.text('url')
  const url =
    flag ?? (chosen?.isFlag === true ? chosen.profile.url : (given(env.PERDURE_URL) ?? chosen?.profile.url))
  if (url === undefined) return undefined
  if (chosen?.isFlag === true && !isSame(url, chosen.profile.url))
    throw new UsageError(
      `--profile ${chosen.name} is for ${chosen.profile.url}, and --url names another engine`,
      'Leave one of them out: the credentials of a profile are for its own URL only.',
    )
  const profile = chosen !== undefined && isSame(url, chosen.profile.url) ? chosen : undefined
  const over = <T>(fromEnv: T | undefined, ofProfile: T | undefined): T | undefined =>
    profile?.isFlag === true ? (ofProfile ?? fromEnv) : (fromEnv ?? ofProfile)
  const namespace = over(given(env.PERDURE_NAMESPACE), profile?.profile.namespace)
  return {
    url,
    namespace: options.text('namespace') ?? namespace ?? DEFAULT_NAMESPACE,
    ...tokenOf(call, profile),
    tls: tlsFor(call, profile),
  }
}

/** Of a command that can also read a store: undefined where that is what was named. */
export function engineInsteadOfStore(
  call: CommandCall,
  { overEnvironment }: { readonly overEnvironment: boolean },
): EngineChoice | undefined {
  const { options, env } = call
  const isNamed = options.text('url') !== undefined || options.text('profile') !== undefined
  if (options.text('store') !== undefined) {
    if (isNamed && !overEnvironment)
      throw new UsageError('a store and an engine are named', 'Leave one of them out.')
    return undefined
  }
  const isStoreInEnvironment = given(env.PERDURE_STORE) !== undefined
  if (isStoreInEnvironment && !isNamed && !(overEnvironment && given(env.PERDURE_URL) !== undefined))
    return undefined
  return chosenEngine(call)
}

function profileOf({ options, env }: CommandCall): ChosenProfile | undefined {
  const flag = options.text('profile')
  const named = flag ?? given(env.PERDURE_PROFILE)
  // Whoever names the engine and no profile needs no file of profiles in order.
  if (named === undefined && (options.text('url') ?? given(env.PERDURE_URL)) !== undefined) return undefined
  const { current, profiles } = readProfiles(env)
  const name = named ?? current
  if (name === undefined) return undefined
  const profile = profiles[name]
  if (profile !== undefined) return { name, profile, isFlag: flag !== undefined }
  const names = Object.keys(profiles)
  throw new UsageError(
    `there is no profile '${name}'`,
    names.length === 0 ? `perdure profile set ${name} --url URL makes it.` : `There are ${names.join(', ')}.`,
  )
}

function tokenOf(
  { options, env, directory }: CommandCall,
  chosen: ChosenProfile | undefined,
): Pick<EngineChoice, 'token' | 'tokenFrom'> {
  const file = options.text('token-file')
  if (file !== undefined)
    return { token: tokenIn(resolve(directory, file)), tokenFrom: `--token-file ${file}` }
  const ofProfile = { token: chosen?.profile.token, tokenFrom: `the token of profile ${chosen?.name}` }
  const fromEnv = { token: given(env.PERDURE_TOKEN), tokenFrom: 'PERDURE_TOKEN' }
  const [first, second] = chosen?.isFlag === true ? [ofProfile, fromEnv] : [fromEnv, ofProfile]
  return first.token === undefined ? second : first
}

export function tokenIn(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(
      `the token file ${path} cannot be read: ${error instanceof Error ? error.message : error}`,
    )
  }
  const token = text.trim()
  if (token === '') throw new UsageError(`the token file ${path} is empty`)
  return token
}

/** A profile that was named as a flag counts over the environment. */
function tlsFor(call: CommandCall, chosen: ChosenProfile | undefined): TlsSettings | undefined {
  const { tls } = chosen?.profile ?? {}
  if (chosen?.isFlag === true && tls !== undefined) return tlsOf({ ...call, env: {} }, tls)
  return tlsOf(call, tls)
}

function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** The REST API is on the same port. */
function isSame(a: string, b: string): boolean {
  const hrefOf = (url: string): string => new URL(url).href.replace(/^http/, 'ws')
  return URL.canParse(a) && URL.canParse(b) && hrefOf(a) === hrefOf(b)
}
