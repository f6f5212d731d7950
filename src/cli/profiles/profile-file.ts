/**
 * `profiles.json`: how engines are reached, with their credentials.
 *
 * 1. Only its owner can read it (mode 600): one that others can read is refused, since its tokens are theirs by now.
 * 2. It is replaced as a whole, so that whoever reads it meanwhile sees the old one or the new one.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import type { CommandCall } from '../command.ts'
import { UsageError } from '../usage-error.ts'

export interface Profile {
  readonly url: string
  readonly namespace?: string
  readonly token?: string
  /** Absolute paths. */
  readonly tls?: ProfileTls
}

export interface ProfileTls {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
}

export interface Profiles {
  /** The one in use when none is named. */
  readonly current?: string
  readonly profiles: Readonly<Record<string, Profile>>
}

const OTHERS = 0o077
const NONE: Profiles = { profiles: {} }

export function profilesPath(env: CommandCall['env']): string {
  const given = env.XDG_CONFIG_HOME ?? ''
  // As the XDG specification has it: a relative path is ignored.
  const home = env.HOME === undefined || env.HOME === '' ? homedir() : env.HOME
  return join(isAbsolute(given) ? given : join(home, '.config'), 'perdure', 'profiles.json')
}

/** @throws UsageError if others can read the file, Error if it is damaged */
export function readProfiles(env: CommandCall['env']): Profiles {
  const path = profilesPath(env)
  if (!existsSync(path)) return NONE
  const descriptor = openSync(path, 'r')
  let text: string
  try {
    // Windows has no such modes: there the directory of the user is his own.
    const { mode } = fstatSync(descriptor)
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0)
      throw new UsageError(
        `${path} holds credentials, and others than its owner may use it (mode ${(mode & 0o777).toString(8)})`,
        `chmod 600 ${path}, and replace the tokens in it if somebody else may have read them.`,
      )
    text = readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
  return profilesOf(text, path)
}

export function writeProfiles(env: CommandCall['env'], profiles: Profiles): void {
  const path = profilesPath(env)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const next = `${path}.${process.pid}`
  // One that an ended process has left could have another mode.
  rmSync(next, { force: true })
  try {
    const descriptor = openSync(next, 'wx', 0o600)
    try {
      writeFileSync(descriptor, `${JSON.stringify(profiles, undefined, 2)}\n`)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(next, path)
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  }
}

function profilesOf(text: string, path: string): Profiles {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Not the message of the parser: it shows a piece of the text.
    throw damaged(path, 'it is not JSON')
  }
  if (!isObject(value) || !isObject(value.profiles)) throw damaged(path, 'it has no profiles')
  const { current } = value
  if (current !== undefined && typeof current !== 'string') throw damaged(path, 'current is no text')
  for (const [name, profile] of Object.entries(value.profiles))
    if (!isProfile(profile)) throw damaged(path, `profile ${name} is not what perdure profile set writes`)
  // Each was looked at just now; what has no prototype has no profile 'constructor'.
  const profiles: Record<string, Profile> = Object.assign(Object.create(null), value.profiles)
  return { ...(current === undefined ? {} : { current }), profiles }
}

function isProfile(value: unknown): value is Profile {
  if (!isObject(value) || typeof value.url !== 'string' || !URL.canParse(value.url)) return false
  const { tls = {} } = value
  if (!isObject(tls)) return false
  return [value.namespace, value.token, tls.cert, tls.key, tls.ca].every(
    (each) => each === undefined || typeof each === 'string',
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function damaged(path: string, why: string): Error {
  return new Error(`${path} cannot be used: ${why}. Mend it, or delete it and set the profiles anew.`)
}
