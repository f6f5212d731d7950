/** `perdure profile`: names for engines, with URL, namespace and credentials. */
import { resolve } from 'node:path'
import { checkedToken } from '../../platform/shown-token.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { COMMON_OPTIONS, type Command, type CommandCall } from '../command.ts'
import { printable } from '../display-width.ts'
import { tokenIn } from '../engine-choice.ts'
import { checkedEngineUrl } from '../engine-url.ts'
import { standardInput } from '../standard-input.ts'
import { type Column, Table } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import { type Profile, type Profiles, type ProfileTls, readProfiles, writeProfiles } from './profile-file.ts'

const ACTIONS = ['list', 'set', 'use', 'remove'] as const
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export const profileCommand: Command = {
  name: 'profile',
  summary:
    'Keeps how engines are reached under names: URL, namespace and credentials, in a file that only you can read.',
  operands: ['[ACTION]', '[NAME]'],
  words: ACTIONS,
  options: {
    url: { value: 'URL', says: 'set: of an engine or node that listens, ws:// or wss://' },
    namespace: { value: 'NAME', says: 'set: of commands with this profile' },
    'token-file': {
      value: 'FILE',
      says: 'set: an API key or token is taken from there; -: from standard input',
    },
    'token-env': { value: 'VARIABLE', says: 'set: the API key or token is taken from this variable' },
    'no-token': { says: 'set: without the token that it had' },
    'tls-cert': { value: 'FILE', says: 'set: certificate to show, PEM' },
    'tls-key': { value: 'FILE', says: 'set: its private key, PEM' },
    'tls-ca': { value: 'FILE', says: 'set: authority that the engine needs a certificate of' },
    ...COMMON_OPTIONS,
  },
  examples: [
    {
      line: 'perdure profile set prod --url wss://perdure.example:7233 --token-file key.txt',
      says: 'the token is copied into the file of profiles, and never shown',
    },
    {
      line: 'perdure profile use prod',
      says: 'commands without --url, --profile and PERDURE_URL talk to it',
    },
    { line: 'perdure list --profile prod', says: 'only this time' },
  ],
  run: runProfile,
}

async function runProfile(call: CommandCall): Promise<number> {
  const [action = 'list', name] = call.operands
  const known = ACTIONS.find((each) => each === action)
  if (known === undefined)
    throw new UsageError(`'${action}' is nothing to do with profiles`, `There are ${ACTIONS.join(', ')}.`)
  const before = readProfiles(call.env)
  if (known === 'list') {
    if (name !== undefined) throw new UsageError('list takes no NAME')
    list(call, before)
    return 0
  }
  if (name === undefined) throw new UsageError('NAME is missing', 'perdure profile lists the names.')
  if (known === 'set') await set(call, before, name)
  else if (known === 'use') use(call, before, name)
  else remove(call, before, name)
  return 0
}

async function set(call: CommandCall, before: Profiles, name: string): Promise<void> {
  if (!NAME.test(name))
    throw new UsageError(
      `'${printable(name)}' is no name of a profile`,
      'Letters, digits, dots, dashes and underscores, at most 64 of them.',
    )
  const old = before.profiles[name]
  const given = call.options.text('url') ?? old?.url
  if (given === undefined) throw new UsageError(`profile ${name} is new: --url is missing`)
  const url = checkedEngineUrl(given)
  const namespace = call.options.text('namespace') ?? old?.namespace
  if (namespace !== undefined) at('--namespace', () => checkedName(namespace, 'the namespace'))
  const token = await tokenFor(call, old, url)
  if (token !== undefined) at('--token-file', () => checkedToken(token, [url], 'the token'))
  const tls = tlsFor(call, old, url)
  const profile: Profile = {
    url,
    ...(namespace === undefined ? {} : { namespace }),
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls }),
  }
  writeProfiles(call.env, { ...before, profiles: { ...before.profiles, [name]: profile } })
  tell(call, name, old === undefined ? 'is made' : 'is changed')
  if (before.current !== name)
    call.output.note(`Use it with --profile ${name}, or always: perdure profile use ${name}`)
}

async function tokenFor(
  { options, env, directory, stdin }: CommandCall,
  old: Profile | undefined,
  url: string,
): Promise<string | undefined> {
  const file = options.text('token-file')
  const variable = options.text('token-env')
  const isWithout = options.flag('no-token')
  if ([file !== undefined, variable !== undefined, isWithout].filter(Boolean).length > 1)
    throw new UsageError('--token-file, --token-env and --no-token exclude each other')
  if (isWithout) return undefined
  if (file === '-') {
    const token = (await standardInput(stdin)).trim()
    if (token === '') throw new UsageError('standard input holds no token')
    return token
  }
  if (file !== undefined) return tokenIn(resolve(directory, file))
  if (variable !== undefined) {
    const token = env[variable]?.trim() ?? ''
    if (token === '') throw new UsageError(`the variable ${variable} holds no token`)
    return token
  }
  if (old?.token !== undefined && old.url !== url)
    throw new UsageError(
      'the profile has a token, and its URL is changed',
      'Give the token for the new URL (--token-file), or --no-token: it should go to nobody else.',
    )
  return old?.token
}

function tlsFor(
  { options, directory }: CommandCall,
  old: Profile | undefined,
  url: string,
): ProfileTls | undefined {
  const path = (flag: string, before: string | undefined): string | undefined => {
    const file = options.text(flag)
    return file === undefined ? before : resolve(directory, file)
  }
  const cert = path('tls-cert', old?.tls?.cert)
  const key = path('tls-key', old?.tls?.key)
  const ca = path('tls-ca', old?.tls?.ca)
  if (cert === undefined && key === undefined && ca === undefined) return undefined
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError('a certificate and its key belong together', 'Give --tls-cert and --tls-key.')
  if (new URL(url).protocol === 'ws:')
    throw new UsageError(`certificates are given, and ${url} is without TLS`, 'Write wss://…')
  return {
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(ca === undefined ? {} : { ca }),
  }
}

function use(call: CommandCall, before: Profiles, name: string): void {
  requireProfile(before, name)
  writeProfiles(call.env, { ...before, current: name })
  tell(call, name, 'is in use')
}

function remove(call: CommandCall, before: Profiles, name: string): void {
  requireProfile(before, name)
  const { [name]: _, ...profiles } = before.profiles
  const { current } = before
  writeProfiles(call.env, { ...(current === undefined || current === name ? {} : { current }), profiles })
  tell(call, name, 'is removed')
}

function requireProfile({ profiles }: Profiles, name: string): void {
  if (profiles[name] !== undefined) return
  const names = Object.keys(profiles)
  throw new UsageError(
    `there is no profile '${printable(name)}'`,
    names.length === 0
      ? 'There are none yet: perdure profile set NAME --url URL.'
      : `There are ${names.join(', ')}.`,
  )
}

function tell({ options, output }: CommandCall, profile: string, what: string): void {
  if (options.flag('json')) output.line(JSON.stringify({ profile }))
  else output.line(`profile ${profile} ${what}`)
}

const COLUMNS: readonly Column[] = [
  { title: 'PROFILE', leastWidth: 8 },
  { title: 'IN USE' },
  { title: 'URL', leastWidth: 20 },
  { title: 'NAMESPACE', optional: 2 },
  { title: 'TOKEN', optional: 1 },
  { title: 'TLS', optional: 3 },
]

function list({ options, output }: CommandCall, { current, profiles }: Profiles): void {
  const names = Object.keys(profiles).sort()
  const rows = names.map((name) => {
    const { url = '', namespace, token, tls } = profiles[name] ?? {}
    return { name, url, namespace: namespace ?? null, hasToken: token !== undefined, tls: tls ?? null }
  })
  if (options.flag('json')) {
    for (const row of rows) output.line(JSON.stringify({ ...row, isInUse: row.name === current }))
    return
  }
  if (rows.length === 0) {
    output.note('No profiles. perdure profile set NAME --url URL makes one.')
    return
  }
  const cells = rows.map(({ name, url, namespace, hasToken, tls }) => [
    name,
    name === current ? 'yes' : '',
    printable(url),
    printable(namespace ?? ''),
    hasToken ? 'yes' : '',
    tls === null ? '' : Object.keys(tls).join(', '),
  ])
  const table = new Table(COLUMNS, cells, output)
  output.line(table.header())
  for (const row of cells) output.line(table.row(row))
}

/** What is wrong with an argument is a wrong command line. */
function at(what: string, check: () => unknown): void {
  try {
    check()
  } catch (error) {
    if (error instanceof PerdureError) throw new UsageError(`${what}: ${error.message}`)
    throw error
  }
}
