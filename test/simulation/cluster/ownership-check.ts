/**
 * Looks at each batch at the moment at which it takes effect:
 *
 * 1. Every row that it writes belongs to a shard that its session owns then, and journal entries carry that shard's epoch.
 * 2. The numbers of messages that were applied rise, per pair of shards.
 * 3. A message is forgotten only when it was applied, or by the batch that applies it.
 */
import { queueShardOf, type RunId, scheduleShardOf, shardOf } from '../../../src/protocol/ids.ts'
import type { Batch } from '../../../src/store/contract/batch.ts'
import type { TaskSeq } from '../../../src/store/contract/task-rows.ts'
import type { MemoryState } from '../../../src/store/memory/memory-state.ts'
import type { ClusterCounters } from './cluster-plan.ts'

export class OwnershipCheck {
  readonly #state: MemoryState
  readonly #counters: ClusterCounters

  constructor(state: MemoryState, counters: ClusterCounters) {
    this.#state = state
    this.#counters = counters
  }

  violationsOf(batch: Batch): string[] {
    const { session, seq } = batch
    if (this.#state.sessions.get(session.id)?.fenced !== false) {
      this.#counters.fencedBatches += 1
      return []
    }
    const place = `batch ${session.id}.${seq}`
    return [...this.#foreignRows(batch), ...this.#messages(batch)].map((text) => `I5: ${place} ${text}`)
  }

  #owns({ session }: Batch, shard: number | undefined): boolean {
    // Of rows that are gone nobody knows the shard.
    return shard === undefined || this.#state.shards[shard]?.owner === session.id
  }

  #foreignRows(batch: Batch): string[] {
    const { shards } = this.#state
    const inserted = new Map(batch.executionsInserted.map(({ runId, shard }) => [runId, shard]))
    const ofRun = (runId: RunId): number | undefined =>
      inserted.get(runId) ?? this.#state.runs.get(runId)?.row?.shard
    const written: [what: string, shard: number | undefined][] = [
      ...batch.journal.map(({ runId, seq }) => [`journal ${runId}/${seq}`, ofRun(runId)] as const),
      ...batch.executionsInserted.map(({ runId, shard }) => [`execution ${runId}`, shard] as const),
      ...batch.executionsUpdated.map(({ runId }) => [`execution ${runId}`, ofRun(runId)] as const),
      ...batch.currents.map(({ key }) => [`current ${key.workflowId}`, shardOf(key, shards.length)] as const),
      ...batch.timersArmed.map(({ runId, shard }) => [`timer of ${runId}`, shard] as const),
      ...batch.timersDropped.map(({ runId }) => [`timer of ${runId}`, ofRun(runId)] as const),
      ...batch.outboxAdded.map(({ fromShard }) => ['outbox', fromShard] as const),
      ...batch.outboxDropped.map(({ fromShard }) => ['outbox', fromShard] as const),
      ...(batch.inbox ?? []).map(({ toShard }) => ['inbox', toShard] as const),
      ...(batch.released ?? []).map(({ shard }) => ['release', shard] as const),
      ...batch.tasksInserted.map((row) => [`task ${row.seq}`, queueShardOf(row, shards.length)] as const),
      ...batch.tasksUpdated.map(({ seq }) => [`task ${seq}`, this.#shardOfTask(seq)] as const),
      ...batch.tasksDeleted.map((seq) => [`task ${seq}`, this.#shardOfTask(seq)] as const),
      ...batch.schedules.map((row) => [`schedule ${row.id}`, scheduleShardOf(row, shards.length)] as const),
    ].map(([what, shard]) => [what, shard])
    const wrong = written
      .filter(([, shard]) => !this.#owns(batch, shard))
      .map(([what, shard = -1]) => `writes ${what} of shard ${shard}, which ${shards[shard]?.owner} owns`)
    for (const { runId, seq, epoch } of batch.journal) {
      const now = shards[ofRun(runId) ?? -1]?.epoch
      if (epoch !== now) wrong.push(`writes journal ${runId}/${seq} in epoch ${epoch}, and it is ${now}`)
    }
    this.#counters.handedOver += batch.released?.length ?? 0
    return wrong
  }

  #shardOfTask(seq: TaskSeq): number | undefined {
    const row = this.#state.tasks.row(seq)
    return row === undefined ? undefined : queueShardOf(row, this.#state.shards.length)
  }

  #messages(batch: Batch): string[] {
    const wrong: string[] = []
    for (const { toShard, fromShard, lastSeq } of batch.inbox ?? []) {
      this.#counters.applied += 1
      const before = this.#state.inbox.get(`${toShard} ${fromShard}`)?.lastSeq ?? -1
      if (lastSeq <= before)
        wrong.push(`applies message ${fromShard}>${toShard} ${lastSeq} after message ${before}`)
    }
    for (const { fromShard, toShard, seq } of batch.outboxDropped) {
      const applied = this.#state.inbox.get(`${toShard} ${fromShard}`)?.lastSeq ?? -1
      if (!this.#owns(batch, toShard) && seq > applied)
        wrong.push(`forgets message ${fromShard}>${toShard} ${seq}, and ${applied} was the last one applied`)
    }
    return wrong
  }
}
