/** What `perdure start` is told of the load balancers in front of it. */

import { PerdureError } from '../../protocol/errors.ts'
import { ClientOrigins } from '../../server/listen/client-origin.ts'
import { FORWARDED_HEADERS } from '../../server/listen/forwarded-header.ts'
import type { ProxySettings } from '../../server/listen/proxy-settings.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { CommandCall, OptionSpec } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { switchOf } from './checked-values.ts'

export const PROXY_OPTIONS = {
  'trusted-proxies': {
    value: 'LIST',
    says: 'addresses and ranges of load balancers, with commas: they say where clients call from; default: none',
  },
  'forwarded-header': {
    value: 'NAME',
    says: `in which they say it: ${FORWARDED_HEADERS.join(' or ')}; default the first`,
  },
  'proxy-protocol': { says: 'their connections begin with a header of the PROXY protocol' },
  'tls-pass-through': { says: 'they pass TLS through: certificates are those of clients, not of theirs' },
  'drain-delay': {
    value: 'TIME',
    says: 'how long it serves on after /readyz says that it ends; default 3s with trusted proxies, else 0',
  },
} as const satisfies Record<string, OptionSpec>

type Given = Pick<CommandCall, 'options' | 'env'>

export function startProxies({ options, env }: Given, config: PerdureConfig): ProxySettings {
  const variable = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])
  const listed = options.text('trusted-proxies') ?? variable('PERDURE_TRUSTED_PROXIES')
  const trustedProxies = listed?.split(',').map((each) => each.trim()) ?? config.trustedProxies
  const forwardedHeader =
    options.text('forwarded-header') ?? variable('PERDURE_FORWARDED_HEADER') ?? config.forwardedHeader
  const switched = (option: 'proxy-protocol' | 'tls-pass-through', name: string): boolean | undefined =>
    options.flag(option) ? true : switchOf(env, name)
  const proxyProtocol = switched('proxy-protocol', 'PERDURE_PROXY_PROTOCOL') ?? config.proxyProtocol
  const tlsPassThrough = switched('tls-pass-through', 'PERDURE_TLS_PASS_THROUGH') ?? config.tlsPassThrough
  const settings = {
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    ...(forwardedHeader === undefined ? {} : { forwardedHeader }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    ...(tlsPassThrough === undefined ? {} : { tlsPassThrough }),
  }
  return checked(settings)
}

/** Here, and not only when it listens: what is wrong would be wrong each time that it is started again. */
function checked(settings: { readonly forwardedHeader?: string }): ProxySettings {
  // The one cast: the constructor looks at all of it.
  const proxies = settings as ProxySettings
  try {
    new ClientOrigins(proxies)
    return proxies
  } catch (error) {
    if (error instanceof PerdureError) throw new UsageError(error.message)
    throw error
  }
}
