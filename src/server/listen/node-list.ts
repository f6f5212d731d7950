/** Where the nodes of the cluster are. */
export interface NodeList {
  /** The URL of this node. */
  readonly own: string
  /** Clients that connect now are to go on with another node: this one is cut off from the database. */
  sendsAway(): boolean
  /** Tells them now, and whenever they change; the answer ends that. */
  follow(tell: (urls: readonly string[]) => void): () => void
}

/**
 * For clients that come by a load balancer: the other nodes are behind the same URL, and may be reached by no other. An empty
 * list says so.
 */
export function nodesBehind(nodes: NodeList | undefined): NodeList | undefined {
  if (nodes === undefined) return undefined
  return {
    get own() {
      return nodes.own
    },
    sendsAway: () => nodes.sendsAway(),
    follow: (tell) => {
      tell([])
      return () => {}
    },
  }
}
