/** `--coordinator`, and what belongs to it: who the node is at etcd comes from the environment, from files, or the configuration. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type CoordinatorSettings, checkedCoordinator } from '../../server/cluster/etcd/etcd-settings.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { CommandCall } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { at } from './given-settings.ts'

type Given = Pick<CommandCall, 'options' | 'env' | 'directory'>

/**
 * Undefined: none was named.
 *
 * @param place where `config` was given
 */
export function startCoordinator(
  { options, env, directory }: Given,
  config: PerdureConfig['coordinator'],
  place: string,
): CoordinatorSettings | undefined {
  const variable = (name: string): string | undefined => {
    const value = env[`PERDURE_COORDINATOR${name}`]
    return value === '' ? undefined : value
  }
  const file = (name: string): string | undefined => {
    const path = variable(`${name}_FILE`)
    return path === undefined
      ? undefined
      : textOf(resolve(directory, path), `PERDURE_COORDINATOR${name}_FILE`)
  }
  const known = settingsOf(config, place)
  const named = options.text('coordinator') ?? variable('')
  const url = named ?? known?.url
  if (url === undefined) return undefined
  const from =
    named === undefined
      ? place
      : options.text('coordinator') === undefined
        ? 'PERDURE_COORDINATOR'
        : '--coordinator'
  const user = variable('_USER') ?? known?.user
  const password = file('_PASSWORD')?.replace(/\r?\n$/, '') ?? variable('_PASSWORD') ?? known?.password
  const tls = { ...known?.tls, ...present({ ca: file('_CA'), cert: file('_CERT'), key: file('_KEY') }) }
  const settings = {
    // What else the configuration has is looked at with the rest, and refused by its name.
    ...known,
    url,
    ...present({ user, password }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  }
  return at(from, () => {
    // Here, and not only when the node starts: what is wrong would be wrong each time that it is started again.
    checkedCoordinator(settings)
    return settings
  })
}

function settingsOf(config: unknown, place: string): CoordinatorSettings | undefined {
  if (config === undefined) return undefined
  if (typeof config === 'string') return { url: config }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new UsageError(`${place}: it is ${JSON.stringify(config)}, not a URL like etcd://10.0.0.1:2379`)
  // The cast: what it has is looked at with the rest.
  return config as CoordinatorSettings
}

function present<T extends string>(
  given: { readonly [name in T]: string | undefined },
): { [name in T]?: string } {
  const all = Object.entries(given) as [T, string | undefined][]
  return Object.fromEntries(all.filter(([, value]) => value !== undefined)) as { [name in T]?: string }
}

function textOf(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(
      `${path}, which ${variable} names, cannot be read: ${error instanceof Error ? error.message : error}`,
    )
  }
}
