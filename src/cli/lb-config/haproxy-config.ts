/** A whole `haproxy.cfg` for HAProxy 2.6 or newer. */
import { isIP } from 'node:net'
import { type BalancedNode, type BalancerSettings, hostPort, type NodeTls } from './balancer-settings.ts'
import { REPEATABLE_PATH } from './repeatable-paths.ts'

const METHODS = {
  'round-robin': ['balance roundrobin'],
  'least-connections': ['balance leastconn'],
  'ip-hash': ['balance source', 'hash-type consistent'],
} as const

export function haproxyConfig(settings: BalancerSettings): string {
  const isHttp = settings.tls.kind !== 'pass-through'
  return textOf([
    ['# HAProxy in front of Perdure nodes: check it with haproxy -c -f FILE'],
    [
      'global',
      '# As many connections as the limits of its process allow, and no more than half of these.',
      'fd-hard-limit 131072',
      'log stdout format raw local0 notice',
      'ssl-default-bind-options ssl-min-ver TLSv1.2',
      'ssl-default-server-options ssl-min-ver TLSv1.2',
    ],
    [
      'defaults',
      `mode ${isHttp ? 'http' : 'tcp'}`,
      'log global',
      'option dontlognull',
      'option clitcpka',
      'option srvtcpka',
      'timeout connect 1s',
      'timeout queue 10s',
      ...(isHttp ? ['timeout http-request 10s', 'timeout http-keep-alive 75s'] : []),
      '# A node that cannot reach its database says so after a second.',
      'timeout check 2s',
      '# Connections that wait are quiet for long; WebSockets have pings of their own.',
      'timeout client 1h',
      'timeout server 1h',
      'timeout tunnel 1h',
      'timeout client-fin 10s',
      '# A node that was not reached is left for another one: nothing was sent.',
      'retries 3',
      'option redispatch 1',
    ],
    ['frontend perdure', ...frontend(settings, isHttp)],
    ['backend perdure_nodes', ...backend(settings, isHttp)],
  ])
}

/** Sections, each with its title first. */
function textOf(sections: readonly (readonly string[])[]): string {
  return `${sections.map(([title, ...lines]) => [title, ...lines.map((line) => `  ${line}`)].join('\n')).join('\n\n')}\n`
}

function frontend({ listen: { host, port }, tls }: BalancerSettings, isHttp: boolean): readonly string[] {
  const at = host === undefined ? `:::${port} v4v6` : `${host}:${port}`
  const client =
    tls.kind === 'terminate' && tls.clientCa !== undefined ? ` ca-file ${tls.clientCa} verify required` : ''
  const ssl = tls.kind === 'terminate' ? ` ssl crt ${tls.cert} alpn h2,http/1.1${client}` : ''
  return [
    `bind ${at}${ssl}`,
    ...(isHttp
      ? [
          '# Nodes talk to each other without a balancer.',
          'http-request deny deny_status 403 if { req.hdr(sec-websocket-protocol) -m sub perdure.node }',
          '# The only proxy in front: what clients say of where they call from is not passed on.',
          'http-request set-header X-Forwarded-For %[src]',
          `http-request set-header X-Forwarded-Proto ${tls.kind === 'terminate' ? 'https' : 'http'}`,
          'http-request del-header Forwarded',
        ]
      : []),
    'default_backend perdure_nodes',
  ]
}

function backend(settings: BalancerSettings, isHttp: boolean): readonly string[] {
  const { nodes, balance, tls, healthPath, proxyProtocol } = settings
  const toNodes = tls.toNodes
  const isSecure = toNodes !== undefined
  const verified = toNodes === undefined ? '' : ` ${nodeTls(toNodes)}`
  // Passed through, the connections of clients are TLS already: only the checks begin their own.
  const ssl = !isSecure ? '' : isHttp ? ` ssl${verified}` : ` check-ssl${verified}`
  const proxy = proxyProtocol === undefined ? '' : proxyProtocol === 'v1' ? ' send-proxy' : ' send-proxy-v2'
  const checkProxy = proxyProtocol === undefined ? '' : ' check-send-proxy'
  const isChecked = isHttp || isSecure
  return [
    ...METHODS[balance],
    ...(isChecked
      ? [
          '# Each second: a node that ends, or is not well, gets no new connections; those that it has go on.',
          'option httpchk',
          `http-check send meth GET uri ${healthPath} ver HTTP/1.1 hdr host perdure`,
          'http-check expect status 200',
        ]
      : ['# Without a certificate for the checks: whether the port is open.', 'option tcp-check']),
    ...(isHttp
      ? [
          '# Asked again if it was not answered at all: reads, and what has a key by which the repeat is known. Nothing else is sent twice.',
          'acl has_key req.hdr(idempotency-key) -m found',
          `acl takes_key path_reg ^${REPEATABLE_PATH}$`,
          'retry-on conn-failure empty-response',
          '# All of it, to have it for the repeat.',
          'http-request wait-for-body time 10s if has_key takes_key',
          'http-request disable-l7-retry unless METH_GET or has_key takes_key',
        ]
      : []),
    `default-server check inter 1s fastinter 500ms fall 2 rise 1${checkProxy}${ssl}${proxy}`,
    ...nodes.map(
      (node, index) =>
        `server node${index + 1} ${hostPort(node)} weight ${node.weight}${named(node, toNodes, isHttp)}`,
    ),
  ]
}

function nodeTls({ ca, cert }: NodeTls): string {
  return `verify required ca-file ${ca}${cert === undefined ? '' : ` crt ${cert}`}`
}

/** Names are compared; HAProxy does not look for an address in a certificate, only who has signed it. */
function named({ host }: BalancedNode, tls: NodeTls | undefined, isHttp: boolean): string {
  const name = tls?.name ?? (isIP(host) === 0 ? host : undefined)
  if (tls === undefined || name === undefined) return ''
  return `${isHttp ? ` sni str(${name})` : ''} check-sni ${name} verifyhost ${name}`
}
