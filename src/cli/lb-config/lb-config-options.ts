/** The command line of `perdure lb-config`: what it says, looked at before anything is written. */
import { isIP } from 'node:net'
import type { GivenOptions, OptionSpec } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import {
  BALANCE_METHODS,
  type BalancedNode,
  type BalancerSettings,
  type BalancerTls,
  type NodeTls,
} from './balancer-settings.ts'
import type { RouterSettings } from './keepalived-config.ts'

export const PRODUCTS = ['nginx', 'haproxy', 'keepalived'] as const
export type Product = (typeof PRODUCTS)[number]

const BALANCER_OPTIONS = {
  nodes: {
    value: 'LIST',
    says: 'HOST:PORT of each node, with commas; HOST:PORT=WEIGHT for its share (1 to 256), default 1',
  },
  balance: { value: 'METHOD', says: `${BALANCE_METHODS.join(', ')}; default round-robin` },
  tls: {
    value: 'HOW',
    says: 'terminate: clients talk TLS to the balancer; pass-through: to the nodes; default: no TLS',
  },
  'client-ca': { value: 'FILE', says: 'terminate: clients need a certificate of this authority' },
  ca: { value: 'FILE', says: 'authority of the nodes, if they have TLS' },
  'node-cert': { value: 'FILE', says: 'certificate that nodes are shown, with --ca' },
  'node-key': { value: 'FILE', says: 'its key; default: it is in the same file' },
  'node-name': { value: 'NAME', says: 'with --ca: a name that the certificates of all nodes have' },
  'proxy-protocol': {
    value: 'VERSION',
    says: 'v1 or v2: tell nodes where clients call from; nginx has v1 only',
  },
  'health-path': { value: 'PATH', says: 'default /readyz' },
} as const satisfies Record<string, OptionSpec>

const SHARED_OPTIONS = {
  listen: { value: '[HOST:]PORT', says: 'of the balancer; default 443 with TLS, else 7233' },
  cert: {
    value: 'FILE',
    says: 'terminate: certificate that clients are shown; HAProxy: with its key in the same file',
  },
  key: { value: 'FILE', says: 'its key; default: it is in the same file' },
} as const satisfies Record<string, OptionSpec>

const ROUTER_OPTIONS = {
  address: {
    value: 'ADDRESS/PREFIX',
    says: 'keepalived: that the machines share, such as 10.0.0.100/24',
  },
  interface: { value: 'NAME', says: 'keepalived: on which, such as eth0' },
  routers: {
    value: 'LIST',
    says: 'keepalived: addresses of the machines, with commas, the preferred one first',
  },
  router: { value: 'ADDRESS', says: 'keepalived: the machine that this is for; default the first' },
  'router-id': { value: 'N', says: 'keepalived: 1 to 255, one for each virtual address; default 51' },
  check: {
    value: 'URL',
    says: 'keepalived: what tells that the machine is well; default /readyz of its balancer',
  },
} as const satisfies Record<string, OptionSpec>

export const LB_OPTIONS = { ...BALANCER_OPTIONS, ...SHARED_OPTIONS, ...ROUTER_OPTIONS } as const

/** What may stand in any of the three languages without a quote. */
const PLAIN = /^[\w@%+=:,./-]+$/
const HOST = /^[a-z\d]([a-z\d.-]*[a-z\d])?$/i
const WEIGHT_MOST = 256

export function balancerSettings(product: 'nginx' | 'haproxy', options: GivenOptions): BalancerSettings {
  refuse(options, ROUTER_OPTIONS, product)
  const tls = tlsOf(options)
  const settings = {
    nodes: nodesOf(options),
    balance: choiceOf(options, 'balance', BALANCE_METHODS) ?? 'round-robin',
    listen: listenOf(options, tls.kind === 'none' ? 7233 : 443),
    tls,
    proxyProtocol: choiceOf(options, 'proxy-protocol', ['v1', 'v2'] as const),
    healthPath: plainOf(options, 'health-path') ?? '/readyz',
  }
  if (!settings.healthPath.startsWith('/'))
    throw new UsageError(`--health-path ${settings.healthPath} does not begin with /`)
  if (product === 'nginx') checkNginx(settings, options)
  else checkHaproxy(settings)
  return settings
}

/** What open-source nginx cannot do is not left out without a word. */
function checkNginx({ proxyProtocol, tls }: BalancerSettings, options: GivenOptions): void {
  if (proxyProtocol === 'v2')
    throw new UsageError('nginx sends the PROXY protocol in version 1 only', 'Use --proxy-protocol v1.')
  if (options.text('health-path') !== undefined)
    throw new UsageError(
      'open-source nginx asks nodes for nothing: it finds out when they do not answer',
      'Leave out --health-path.',
    )
  if (tls.kind === 'pass-through' && tls.toNodes !== undefined)
    throw new UsageError(
      'nginx has no checks that need --ca with --tls pass-through',
      'Leave out --ca and what belongs to it.',
    )
  if (tls.toNodes !== undefined && tls.toNodes.name === undefined)
    throw new UsageError(
      'nginx looks for one name in the certificates of all nodes',
      'Such as --node-name nodes.internal, beside the name of each node in its certificate (subjectAltName).',
    )
}

function checkHaproxy({ tls }: BalancerSettings): void {
  const pairs = [tls.kind === 'terminate' ? tls : undefined, tls.toNodes]
  for (const pair of pairs)
    if (pair?.key !== undefined && pair.key !== `${pair.cert}.key`)
      throw new UsageError(
        `HAProxy reads the key of ${pair.cert} from the same file, or from ${pair.cert}.key`,
        `Such as: cat ${pair.cert} ${pair.key} > both.pem; then give both.pem, and no key.`,
      )
}

function nodesOf(options: GivenOptions): readonly BalancedNode[] {
  const items = listOf(options, 'nodes')
  if (items.length === 0)
    throw new UsageError('no nodes were named', 'Such as --nodes 10.0.0.1:7233,10.0.0.2:7233')
  const nodes = items.map((item) => {
    const [at = '', weight = '1', ...rest] = item.split('=')
    const { host, port } = hostAndPort(at, '--nodes')
    if (host === undefined)
      throw new UsageError(`--nodes: ${item} has no host`, 'Such as 10.0.0.1:7233, or 10.0.0.1:7233=2.')
    const share = /^\d+$/.test(weight) ? Number(weight) : Number.NaN
    if (!(share >= 1 && share <= WEIGHT_MOST) || rest.length > 0)
      throw new UsageError(`--nodes: the weight of ${item} is not a whole number from 1 to ${WEIGHT_MOST}`)
    return { host, port, weight: share }
  })
  const places = nodes.map(({ host, port }) => `${host}:${port}`)
  const twice = places.find((place, index) => places.indexOf(place) !== index)
  if (twice !== undefined) throw new UsageError(`--nodes has ${twice} twice`)
  return nodes
}

function tlsOf(options: GivenOptions): BalancerTls {
  const kind = choiceOf(options, 'tls', ['terminate', 'pass-through'] as const)
  const toNodes = nodeTlsOf(options)
  const cert = plainOf(options, 'cert')
  const key = plainOf(options, 'key')
  const clientCa = plainOf(options, 'client-ca')
  if (kind === 'terminate') {
    if (cert === undefined) throw new UsageError('--tls terminate needs --cert: what clients are shown')
    return { kind, cert, key, clientCa, toNodes }
  }
  const left = ['cert', 'key', 'client-ca'].find((name) => options.text(name) !== undefined)
  if (left !== undefined) throw new UsageError(`--${left} is for --tls terminate`)
  return { kind: kind ?? 'none', toNodes }
}

function nodeTlsOf(options: GivenOptions): NodeTls | undefined {
  const ca = plainOf(options, 'ca')
  const cert = plainOf(options, 'node-cert')
  const key = plainOf(options, 'node-key')
  const name = plainOf(options, 'node-name')
  if (name !== undefined && !HOST.test(name)) throw new UsageError(`--node-name ${name} is no name of a host`)
  if (key !== undefined && cert === undefined) throw new UsageError('--node-key has no --node-cert')
  if (ca !== undefined) return { ca, name, cert, key }
  const left = ['node-cert', 'node-name'].find((option) => options.text(option) !== undefined)
  if (left !== undefined)
    throw new UsageError(`--${left} is for nodes with TLS`, 'Give their authority, --ca, too.')
  return undefined
}

export function routerSettings(options: GivenOptions): RouterSettings {
  refuse(options, BALANCER_OPTIONS, 'keepalived')
  const needed = (name: keyof typeof ROUTER_OPTIONS): string => {
    const text = plainOf(options, name)
    if (text === undefined)
      throw new UsageError(`keepalived needs --${name}`, `It is ${ROUTER_OPTIONS[name].says}.`)
    return text
  }
  const virtualAddress = needed('address')
  const [address = '', prefix = ''] = virtualAddress.split('/')
  const version = isIP(address)
  if (version === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (version === 4 ? 32 : 128))
    throw new UsageError(`--address ${virtualAddress} is no address with a prefix`, 'Such as 10.0.0.100/24.')
  const name = needed('interface')
  if (!/^[\w.@-]{1,15}$/.test(name))
    throw new UsageError(`--interface ${name} is no name of one`, 'See: ip link')
  needed('routers')
  const routers = listOf(options, 'routers')
  const wrong = routers.find((router) => isIP(router) !== version)
  if (wrong !== undefined)
    throw new UsageError(
      `--routers: ${wrong} is no address of the family of the virtual one`,
      'Such as 10.0.0.1,10.0.0.2.',
    )
  if (routers.length < 2 || routers.length > 10 || new Set(routers).size < routers.length)
    throw new UsageError('--routers are two to ten machines, each of them once')
  const router = plainOf(options, 'router') ?? routers[0] ?? ''
  if (!routers.includes(router)) throw new UsageError(`--router ${router} is none of --routers`)
  const routerId = options.count('router-id', 1) ?? 51
  if (routerId > 255) throw new UsageError(`--router-id ${routerId} is not a whole number from 1 to 255`)
  return { virtualAddress, interface: name, routers, router, routerId, ...checkOf(options) }
}

function checkOf(options: GivenOptions): Pick<RouterSettings, 'checkUrl' | 'checkCert' | 'checkKey'> {
  const checkCert = plainOf(options, 'cert')
  const checkKey = plainOf(options, 'key')
  if (checkKey !== undefined && checkCert === undefined) throw new UsageError('--key has no --cert')
  const { port } = listenOf(options, 7233)
  const checkUrl = plainOf(options, 'check') ?? `http://127.0.0.1:${port}/readyz`
  if (!/^https?:\/\//.test(checkUrl) || !URL.canParse(checkUrl))
    throw new UsageError(`--check ${checkUrl} is no URL`, 'Such as https://127.0.0.1:443/readyz.')
  return { checkUrl, checkCert, checkKey }
}

function refuse(options: GivenOptions, others: Readonly<Record<string, OptionSpec>>, product: Product): void {
  const left = Object.keys(others).find((name) => options.text(name) !== undefined)
  if (left !== undefined) throw new UsageError(`--${left} is not for ${product}`)
}

function choiceOf<T extends string>(
  options: GivenOptions,
  name: string,
  choices: readonly T[],
): T | undefined {
  const text = options.text(name)
  if (text === undefined) return undefined
  const choice = choices.find((each) => each === text)
  if (choice === undefined) throw new UsageError(`--${name} ${text} is none of ${choices.join(', ')}`)
  return choice
}

/** It becomes part of a file in another language. */
function plainOf(options: GivenOptions, name: string): string | undefined {
  const text = options.text(name)
  if (text !== undefined && !PLAIN.test(text))
    throw new UsageError(
      `--${name} ${JSON.stringify(text)} has a character that such a file would not take as it is`,
    )
  return text
}

function listOf(options: GivenOptions, name: string): readonly string[] {
  const items = (options.text(name) ?? '').split(',').map((item) => item.trim())
  return items.filter((item) => item !== '')
}

function listenOf(options: GivenOptions, defaultPort: number): BalancerSettings['listen'] {
  const text = options.text('listen')
  return text === undefined ? { host: undefined, port: defaultPort } : hostAndPort(text, '--listen')
}

function hostAndPort(
  text: string,
  option: string,
): { readonly host: string | undefined; readonly port: number } {
  const parts = /^(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text)
  const [, address, name, digits] = parts ?? []
  const port = Number(digits)
  const isHost =
    address === undefined
      ? name === undefined || HOST.test(name)
      : isIP(address) === 6 && !address.includes('%')
  if (parts === null || !isHost || port < 1 || port > 65_535)
    throw new UsageError(
      `${option}: '${text}' is no host and port`,
      'Such as 10.0.0.1:7233, or [2001:db8::1]:7233.',
    )
  return { host: address ?? name, port }
}
