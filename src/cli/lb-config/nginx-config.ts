/** A whole `nginx.conf` for open-source nginx, 1.19 or newer. */
import { type BalancerSettings, hostPort, type NodeTls } from './balancer-settings.ts'
import { block, type Line, textOf } from './config-text.ts'
import { REPEATABLE_PATH } from './repeatable-paths.ts'

/** A node is left alone for this long after so many failures. */
const FAILS = 'max_fails=2 fail_timeout=5s'

export function nginxConfig(settings: BalancerSettings): string {
  const isStream = settings.tls.kind === 'pass-through' || settings.proxyProtocol !== undefined
  return textOf([
    '# nginx in front of Perdure nodes: check it with nginx -t',
    'worker_processes auto;',
    'worker_rlimit_nofile 65536;',
    ...(isStream ? ['# Debian: libnginx-mod-stream', 'include /etc/nginx/modules-enabled/*.conf;'] : []),
    block('events', ['worker_connections 16384;']),
    isStream ? stream(settings) : http(settings),
  ])
}

/** `hash` and not `ip_hash`: that one takes 256 neighbours for one client, and is not there for streams. */
function upstream({ nodes, balance }: BalancerSettings, more: readonly Line[] = []): Line {
  const method = {
    'round-robin': [],
    'least-connections': ['least_conn;'],
    'ip-hash': ['hash $remote_addr consistent;'],
  }
  return block('upstream perdure', [
    '# Shared by all workers of nginx.',
    'zone perdure 128k;',
    ...method[balance],
    ...nodes.map((node) => `server ${hostPort(node)} weight=${node.weight} ${FAILS};`),
    ...more,
  ])
}

function listens({ listen: { host, port } }: BalancerSettings): readonly string[] {
  return host === undefined ? [`${port}`, `[::]:${port}`] : [hostPort({ host, port })]
}

function shown({ tls }: BalancerSettings): readonly string[] {
  if (tls.kind !== 'terminate') return []
  return [
    `ssl_certificate ${tls.cert};`,
    `ssl_certificate_key ${tls.key ?? tls.cert};`,
    'ssl_protocols TLSv1.2 TLSv1.3;',
    'ssl_session_cache shared:perdure_tls:10m;',
    ...(tls.clientCa === undefined
      ? []
      : [`ssl_client_certificate ${tls.clientCa};`, 'ssl_verify_client on;']),
  ]
}

function toNodes(tls: NodeTls): readonly string[] {
  return [
    `proxy_ssl_trusted_certificate ${tls.ca};`,
    'proxy_ssl_verify on;',
    'proxy_ssl_verify_depth 4;',
    ...(tls.name === undefined ? [] : ['proxy_ssl_server_name on;', `proxy_ssl_name ${tls.name};`]),
    'proxy_ssl_protocols TLSv1.2 TLSv1.3;',
    ...(tls.cert === undefined
      ? []
      : [`proxy_ssl_certificate ${tls.cert};`, `proxy_ssl_certificate_key ${tls.key ?? tls.cert};`]),
  ]
}

function http(settings: BalancerSettings): Line {
  const { tls } = settings
  const nodeTls = tls.toNodes
  const ssl = tls.kind === 'terminate' ? ' ssl' : ''
  const server: Line[] = [
    ...listens(settings).map((listen) => `listen ${listen}${ssl};`),
    ...shown(settings),
    '# More than a node takes by default (9 MiB): its answer says what is too large, and how much may be sent.',
    'client_max_body_size 16m;',
    '# Nodes talk to each other without a balancer.',
    'if ($http_sec_websocket_protocol ~ perdure\\.node) { return 403; }',
    '# Named locations keep the method and the body. No node answers 418, and what it answers is not looked at.',
    'error_page 418 = @repeatable;',
    'if ($perdure_repeatable) { return 418; }',
    block('location /', [
      ...proxied(nodeTls),
      '# The next node is asked if this one was not reached, or has broken off a request that is safe to ask again.',
      '# POST is asked again only if it was not sent: non_idempotent is left out on purpose.',
      'proxy_next_upstream error timeout;',
    ]),
    block('location @repeatable', [
      ...proxied(nodeTls),
      '# With its key a repeat is known: it is done once.',
      'proxy_next_upstream error timeout non_idempotent;',
    ]),
  ]
  return block('http', [
    '# Nodes log each request at the level debug, and audit what changes something if they have an audit trail.',
    'access_log off;',
    'server_tokens off;',
    'keepalive_timeout 75s;',
    block('map $http_upgrade $perdure_connection', ['default upgrade;', "'' '';"]),
    '# Method, key and path of a request whose key counts.',
    block('map "$request_method $http_idempotency_key $request_uri" $perdure_repeatable', [
      "default '';",
      `"~^POST [^ ]+ ${REPEATABLE_PATH}(\\?|$)" 1;`,
    ]),
    upstream(settings, [
      '# Of each worker of nginx. Closed here before a node that drains closes them, so that nothing is sent into one that ends.',
      'keepalive 32;',
      'keepalive_timeout 2s;',
    ]),
    block('server', server),
  ])
}

function proxied(nodeTls: NodeTls | undefined): readonly string[] {
  return [
    `proxy_pass ${nodeTls === undefined ? 'http' : 'https'}://perdure;`,
    ...(nodeTls === undefined ? [] : toNodes(nodeTls)),
    'proxy_http_version 1.1;',
    'proxy_set_header Host $http_host;',
    'proxy_set_header Upgrade $http_upgrade;',
    'proxy_set_header Connection $perdure_connection;',
    '# The only proxy in front: what clients say of where they call from is not passed on.',
    'proxy_set_header X-Forwarded-For $remote_addr;',
    'proxy_set_header X-Forwarded-Proto $scheme;',
    'proxy_set_header Forwarded "";',
    '# Server-sent events come when they are sent.',
    'proxy_buffering off;',
    'proxy_connect_timeout 1s;',
    '# Connections that wait are quiet for long; WebSockets have pings of their own.',
    'proxy_read_timeout 1h;',
    'proxy_send_timeout 1h;',
    'proxy_socket_keepalive on;',
    'proxy_next_upstream_tries 3;',
    'proxy_next_upstream_timeout 10s;',
  ]
}

function stream(settings: BalancerSettings): Line {
  const { tls, proxyProtocol } = settings
  const ssl = tls.kind === 'terminate' ? ' ssl' : ''
  const nodeTls = tls.kind === 'pass-through' ? undefined : tls.toNodes
  return block('stream', [
    upstream(settings),
    block('server', [
      ...listens(settings).map((listen) => `listen ${listen}${ssl} so_keepalive=on;`),
      ...shown(settings),
      'proxy_pass perdure;',
      ...(nodeTls === undefined ? [] : ['proxy_ssl on;', ...toNodes(nodeTls)]),
      ...(proxyProtocol === undefined ? [] : ['proxy_protocol on;']),
      'proxy_connect_timeout 1s;',
      '# Connections that wait are quiet for long; WebSockets have pings of their own.',
      'proxy_timeout 1h;',
      'proxy_socket_keepalive on;',
      '# Only before a byte of the client has gone to it: nothing is sent twice.',
      'proxy_next_upstream on;',
      'proxy_next_upstream_tries 3;',
      'proxy_next_upstream_timeout 10s;',
    ]),
  ])
}
