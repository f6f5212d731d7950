/** The nodes of an engine that is alone: itself. */
import { PerdureError } from '../protocol/errors.ts'
import type { NodeDescription, NodesPort, ShardDescription } from '../protocol/nodes-port.ts'
import type { Engine } from './engine.ts'

export class AloneNodes implements NodesPort {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async list(): Promise<readonly NodeDescription[]> {
    this.#engine.assertOpen()
    const { options, session, ownership } = this.#engine
    return [
      {
        node: options.node,
        session: session.id,
        isLeader: true,
        isDraining: false,
        shards: ownership.shards,
        weight: 1,
        isHere: true,
      },
    ]
  }

  async shards(): Promise<readonly ShardDescription[]> {
    this.#engine.assertOpen()
    const { options, session, ownership } = this.#engine
    return Array.from({ length: ownership.shards }, (_, shard) => ({
      shard,
      node: options.node,
      session: session.id,
      epoch: ownership.epochOf(shard),
    }))
  }

  async drain(node: string): Promise<void> {
    this.#engine.assertOpen()
    const { options } = this.#engine
    if (node !== options.node) throw new PerdureError('NODE_NOT_FOUND', `there is no node ${node}`)
    throw new PerdureError('ARGUMENT_INVALID', `${node} is alone on its store: nobody could take what it has`)
  }
}
