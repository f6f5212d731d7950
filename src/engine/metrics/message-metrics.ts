/** What is observed of messages between executions, and between an execution and its tasks. */
import type { Counter, MetricsRegistry } from '../../platform/metrics.ts'

export class MessageMetrics {
  /** In the batch of the sender: no row was written for it. */
  readonly inMemory: Counter
  /** By a row of the outbox, to a receiver of this node. */
  readonly byOutbox: Counter
  /** To a shard of another node. */
  readonly toNode: Counter
  readonly fromNode: Counter

  constructor(registry: MetricsRegistry) {
    const sent = registry.counter({
      name: 'perdure_messages_sent_total',
      help: 'Messages between executions, and between an execution and its tasks: applied in the commit of their sender (`memory`), through the store (`outbox`), or to another node (`node`).',
      labels: ['path'],
    })
    this.inMemory = sent.of('memory')
    this.byOutbox = sent.of('outbox')
    this.toNode = sent.of('node')
    this.fromNode = registry
      .counter({
        name: 'perdure_messages_received_total',
        help: 'Messages that came from other nodes, repeated ones included.',
      })
      .of()
  }
}
