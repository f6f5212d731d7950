/** What an engine is and has when its metrics are read. */

import {
  fillGauge,
  type Gauge,
  type GaugeRow,
  type Metric,
  type MetricsRegistry,
} from '../../platform/metrics.ts'
import type { Engine } from '../engine.ts'
import type { LiveTask } from '../tasks/live-task.ts'
import type { CrewMember } from '../workers/crew-member.ts'
import type { EngineMetrics } from './engine-metrics.ts'
import { queueGauges } from './queue-gauges.ts'
import { WORKERS_MAX } from './task-metrics.ts'

export interface EngineGaugesOptions {
  /** How long tasks may wait, for the autoscaling signal. */
  readonly targetWaitSeconds: number
  /** This process has code of tasks. */
  readonly runsTasks: boolean
}

export function engineGauges(engine: Engine, metrics: EngineMetrics, options: EngineGaugesOptions): void {
  const { registry, tasks } = metrics
  queueGauges(registry, {
    queues: () => engine.tasks.queues.all(),
    tasks,
    nowMs: () => engine.clock.nowMs(),
    ...options,
  })
  executionGauges(engine, registry)
  sessionGauges(engine, registry)
  workerGauges(engine, registry, options.runsTasks)
}

function executionGauges({ table, committer, options, mailbox }: Engine, registry: MetricsRegistry): void {
  const inMemory = registry.gauge({
    name: 'perdure_executions_in_memory',
    help: 'Executions in memory: those with something under way (`busy`), and those that wait for an event (`idle`). Others that wait are in the store only.',
    labels: ['state'],
  })
  const steps = registry.gauge({
    name: 'perdure_steps_running',
    help: 'Attempts of steps that run in the process of the engine.',
  })
  const uncommitted = registry.gauge({
    name: 'perdure_uncommitted_rows',
    help: 'Rows that wait for their commit, without those of the commit that is under way. Beyond 100,000 calls are answered with OVERLOADED.',
  })
  const outgoing = registry.gauge({
    name: 'perdure_outgoing_messages',
    help: 'Messages to other nodes that are not known to have arrived.',
  })
  const delivering = registry.gauge({
    name: 'perdure_message_receivers',
    help: 'Receivers that messages wait for: they are being read, or moved.',
  })
  registry.onCollect(() => {
    inMemory.of('busy').set(table.busy)
    inMemory.of('idle').set(table.size - table.busy)
    steps.of().set(options.worker.runningSteps)
    uncommitted.of().set(committer.uncommittedRows)
    outgoing.of().set(options.cluster?.mail.size ?? 0)
    delivering.of().set(mailbox.receivers)
  })
}

function sessionGauges(engine: Engine, registry: MetricsRegistry): void {
  const session = registry.gauge({
    name: 'perdure_session_id',
    help: 'Number of the session of this engine; it rises with each new one.',
  })
  const owned = registry.gauge({ name: 'perdure_shards_owned', help: 'Shards that this engine has now.' })
  const shards = registry.gauge({ name: 'perdure_shards', help: 'Shards of the database.' })
  const moves = registry.counter({
    name: 'perdure_shard_moves_total',
    help: 'Shards that this engine has taken in (`in`), and given up or lost (`out`). In a cluster only.',
    labels: ['direction'],
  })
  const fenced = registry.counter({
    name: 'perdure_sessions_fenced_total',
    help: 'Sessions of this engine that others have fenced: it has dropped what it had in memory, and gone on with a new one.',
  })
  const keptOut = registry.counter({
    name: 'perdure_fenced_batches_total',
    help: 'Batches that wrote nothing, because their session was fenced by then.',
  })
  const settled = registry.counter({
    name: 'perdure_unknown_commits_settled_total',
    help: 'Commits without an answer that were settled, by whether they had happened.',
    labels: ['committed'],
  })
  registry.onCollect(() => {
    const { counters, ownership } = engine
    session.of().set(engine.session.id)
    owned.of().set(ownership.size)
    shards.of().set(ownership.shards)
    if (!ownership.isWhole) {
      moves.of('in').value = ownership.counts.takenIn
      moves.of('out').value = ownership.counts.left
    }
    fenced.of().value = counters.fenced
    keptOut.of().value = counters.fencedBatches
    settled.of('true').value = counters.unknownSettledIn
    settled.of('false').value = counters.unknownSettledOut
  })
}

function workerGauges({ tasks, options }: Engine, registry: MetricsRegistry, runsTasks: boolean): void {
  const workers = registry.gauge({
    name: 'perdure_workers',
    help: 'Workers that are connected, and the engine itself (`local`) if it has code of tasks.',
    labels: ['kind'],
  })
  const gauge = (name: string, help: string, unit: { readonly unit?: 'seconds' } = {}): Metric<Gauge> =>
    registry.gauge({ name, help, ...unit, labels: ['worker'] })
  const slots = gauge(
    'perdure_worker_slots',
    'Tasks that a worker takes at once from this node; 0 while it drains.',
  )
  const taken = gauge('perdure_worker_running_tasks', 'Tasks that a worker has of this node.')
  const cpu = gauge(
    'perdure_worker_cpu_ratio',
    'CPU that a worker reports, of the cores that it may use: 0 to 1.',
  )
  const memory = gauge(
    'perdure_worker_memory_ratio',
    'Memory that a worker reports, of what it may use: 0 to 1.',
  )
  const delay = gauge(
    'perdure_worker_event_loop_delay_seconds',
    'Mean delay of timers that a worker reports.',
    { unit: 'seconds' },
  )
  registry.onCollect(() => {
    const all = [...tasks.crew.members()].filter(({ profile }) => runsTasks || profile.isLocal !== true)
    const rows = (value: (member: CrewMember<LiveTask>) => number | undefined): GaugeRow[] =>
      all.flatMap((member) => {
        const found = value(member)
        return found === undefined ? [] : [{ values: [member.id], value: found }]
      })
    const remote = all.filter(({ profile }) => profile.isLocal !== true).length
    workers.of('remote').set(remote)
    workers.of('local').set(all.length - remote)
    fillGauge(
      slots,
      rows(({ credits }) => credits),
      WORKERS_MAX,
    )
    fillGauge(
      taken,
      rows(({ taken }) => taken),
      WORKERS_MAX,
    )
    fillGauge(
      cpu,
      rows(({ load }) => load?.cpu),
      WORKERS_MAX,
      Math.max,
    )
    fillGauge(
      memory,
      rows(({ load }) => load?.memory),
      WORKERS_MAX,
      Math.max,
    )
    fillGauge(
      delay,
      rows(({ load }) => (load?.eventLoopDelayMs === undefined ? undefined : load.eventLoopDelayMs / 1000)),
      WORKERS_MAX,
      Math.max,
    )
  })
  const runs = registry.gauge({
    name: 'perdure_workflow_runs_busy',
    help: 'Runs of workflow code in the process of the engine that have something to do now.',
  })
  registry.onCollect(() => runs.of().set(options.worker.busyRuns))
}
