/** What a configuration of a load balancer in front of nodes is made from. */

export interface BalancedNode {
  /** A name, or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** Its share of the connections, relative to other nodes. */
  readonly weight: number
}

export const BALANCE_METHODS = ['round-robin', 'least-connections', 'ip-hash'] as const
export type BalanceMethod = (typeof BALANCE_METHODS)[number]

export interface BalancerSettings {
  readonly nodes: readonly BalancedNode[]
  readonly balance: BalanceMethod
  readonly listen: { readonly host: string | undefined; readonly port: number }
  readonly tls: BalancerTls
  /** To the nodes, so that they know where a client calls from. */
  readonly proxyProtocol: 'v1' | 'v2' | undefined
  readonly healthPath: string
}

/** `terminate`: clients talk TLS to the balancer; `pass-through`: to the nodes, and the balancer hears nothing of it. */
export type BalancerTls =
  | { readonly kind: 'none'; readonly toNodes: NodeTls | undefined }
  | {
      readonly kind: 'terminate'
      /** What clients are shown. */
      readonly cert: string
      /** Undefined: it is in the file of the certificate. */
      readonly key: string | undefined
      /** Clients show a certificate of this authority. Undefined: they need none. */
      readonly clientCa: string | undefined
      readonly toNodes: NodeTls | undefined
    }
  | { readonly kind: 'pass-through'; readonly toNodes: NodeTls | undefined }

/** How the balancer talks to nodes that have TLS; with `pass-through`, for its health checks alone. */
export interface NodeTls {
  readonly ca: string
  /** A name that the certificates of all nodes have. Undefined: each has that by which it is reached. */
  readonly name: string | undefined
  /** What nodes are shown. */
  readonly cert: string | undefined
  readonly key: string | undefined
}

export function hostPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
