/** Where the nodes of the cluster are. */
export interface NodeList {
  /** The URL of this node. */
  readonly own: string
  /** Tells them now, and whenever they change; the answer ends that. */
  follow(tell: (urls: readonly string[]) => void): () => void
}
