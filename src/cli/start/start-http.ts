/** What `perdure start` and `perdure dev` are told of the REST API, and of webhooks. */
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { checkedHttpSettings, type HttpSettings } from '../../server/http/http-settings.ts'
import { present } from '../../server/http/present.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { CommandCall, OptionSpec } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { switchOf } from './checked-values.ts'
import { at } from './given-settings.ts'

export const HTTP_OPTIONS = {
  'http-origin': {
    value: 'ORIGIN',
    says: 'whose web pages may call the REST API, such as https://app.example.com; default: none',
    multiple: true,
  },
  'http-host': {
    value: 'NAME',
    says: 'by which it may be asked for without TLS, beside those of this machine; default: none',
    multiple: true,
  },
  'webhooks-allow-private': {
    says: 'webhooks may call addresses of private networks and of this machine',
  },
} as const satisfies Record<string, OptionSpec>

type Given = Pick<CommandCall, 'options' | 'env'>

/** A flag over the environment over the configuration, each field by itself. */
export function startHttp(
  { options, env }: Given,
  config: PerdureConfig['http'],
  place: string,
): HttpSettings | undefined {
  const listOf = (flag: string, variable: string): readonly string[] | undefined => {
    const flags = options.texts(flag)
    if (flags.length > 0) return flags
    const text = env[variable] ?? ''
    return text === '' ? undefined : text.split(',').map((each) => each.trim())
  }
  const origins = listOf('http-origin', 'PERDURE_HTTP_ORIGINS')
  const hosts = listOf('http-host', 'PERDURE_HTTP_HOSTS')
  if (config !== undefined) at(place, () => checkedHttpSettings(config, DEFAULT_LIMITS.payloadBytes))
  if (origins === undefined && hosts === undefined) return config
  const http = { ...config, ...present({ origins, hosts }) }
  // Here, and not only when it listens: what is wrong would be wrong each time that it is started again.
  at('--http-origin, --http-host, PERDURE_HTTP_ORIGINS or PERDURE_HTTP_HOSTS', () =>
    checkedHttpSettings(http, DEFAULT_LIMITS.payloadBytes),
  )
  return http
}

export function startWebhooks(
  { options, env }: Given,
  config: PerdureConfig['webhooks'],
  place: string,
): PerdureConfig['webhooks'] {
  if (options.flag('webhooks-allow-private')) return { allowPrivate: true }
  const allowPrivate = switchOf(env, 'PERDURE_WEBHOOKS_ALLOW_PRIVATE')
  if (allowPrivate !== undefined) return { allowPrivate }
  const given: unknown = config
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given)
  const isGood =
    isObject &&
    Object.entries(given).every(([name, value]) => name === 'allowPrivate' && typeof value === 'boolean')
  if (config !== undefined && !isGood)
    throw new UsageError(`${place} is ${JSON.stringify(config)}`, 'Such as { allowPrivate: true }.')
  return config
}
