/**
 * What is observed of executions, by namespace and workflow.
 *
 * Starts and ends are counted when they are durable; what happens in between when it is decided: if its batch is dropped, which
 * is rare, it may happen, and be counted, again.
 */
import type { ExecutionState } from '../../core/execution/state.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Counter, Histogram, Metric, MetricsRegistry } from '../../platform/metrics.ts'
import { type Event, isTerminal, type TerminalEvent } from '../../protocol/event.ts'
import type { StepDispatch } from '../../protocol/worker-port.ts'
import { EXECUTION_SECONDS, LATENCY_SECONDS, WORK_SECONDS } from './buckets.ts'
import { SeriesTable } from './series-table.ts'

/** Workflows, and steps of all workflows, that have series of their own. */
const WORKFLOWS_MAX = 200
const STEPS_MAX = 300
/** Human tasks by name. */
const HUMAN_TASKS_MAX = 300

const WORKFLOW = ['namespace', 'workflow'] as const

const STATUS: Readonly<Record<TerminalEvent['type'], string>> = {
  'execution-completed': 'completed',
  'execution-failed': 'failed',
  'execution-cancelled': 'cancelled',
  'execution-terminated': 'terminated',
  'execution-timed-out': 'timed_out',
  'execution-continued': 'continued',
}

/** Events that are counted by workflow and nothing else. */
const COUNTED = {
  'signal-received': ['perdure_signals_received_total', 'Signals that executions have received.'],
  'update-accepted': ['perdure_updates_accepted_total', 'Updates that executions have accepted.'],
  'timer-started': ['perdure_timers_started_total', 'Sleeps, and waits with a time limit, that have begun.'],
  'child-started': ['perdure_children_started_total', 'Children that executions have started.'],
  'execution-parked': [
    'perdure_executions_parked_total',
    'Executions that were parked: their code is missing or does not match, or the store refuses them.',
  ],
  'execution-resumed': ['perdure_executions_resumed_total', 'Parked executions that go on.'],
  'execution-reopened': ['perdure_executions_reopened_total', 'Failed executions that were retried.'],
} as const satisfies Partial<Record<Event['type'], readonly [name: string, help: string]>>

interface StepSeries {
  readonly runTime: Histogram
  readonly failures: Counter
  readonly retries: Counter
}

export interface WorkflowSeries {
  readonly started: Counter
  /** By how they ended, as far as any has. */
  readonly closed: Map<TerminalEvent['type'], Counter>
  readonly startLatency: Histogram
  readonly responseTime: Histogram
  readonly steps: Map<string, StepSeries>
}

/** What is looked at of an execution; `LiveExecution` is one. */
export interface ObservedExecution {
  readonly state: ExecutionState
  isStartUncounted: boolean
  endCountedAt: number
  series: WorkflowSeries | undefined
}

export class ExecutionMetrics {
  readonly #clock: Clock
  readonly #closed: Metric<Counter>
  readonly #counted: ReadonlyMap<string, Metric<Counter>>
  readonly #humanOpened: Metric<Counter>
  readonly #humanClosed: Metric<Counter>
  readonly #workflows: SeriesTable<[namespace: string, workflow: string], WorkflowSeries>
  readonly #steps: SeriesTable<[namespace: string, workflow: string, step: string], StepSeries>

  constructor(registry: MetricsRegistry, clock: Clock) {
    this.#clock = clock
    const started = registry.counter({
      name: 'perdure_executions_started_total',
      help: 'Executions whose start is durable; children and runs that continue others are among them.',
      labels: WORKFLOW,
    })
    this.#closed = registry.counter({
      name: 'perdure_executions_closed_total',
      help: 'Executions whose end is durable, by how they ended.',
      labels: [...WORKFLOW, 'status'],
    })
    const startLatency = registry.histogram({
      name: 'perdure_execution_start_latency_seconds',
      help: 'From when a start is taken in until it is durable.',
      unit: 'seconds',
      labels: WORKFLOW,
      buckets: LATENCY_SECONDS,
    })
    const responseTime = registry.histogram({
      name: 'perdure_execution_response_time_seconds',
      help: 'From the start of an execution until its end is durable.',
      unit: 'seconds',
      labels: WORKFLOW,
      buckets: EXECUTION_SECONDS,
    })
    this.#counted = new Map(
      Object.entries(COUNTED).map(([type, [name, help]]) => [
        type,
        registry.counter({ name, help, labels: WORKFLOW, seriesMax: WORKFLOWS_MAX }),
      ]),
    )
    this.#humanOpened = registry.counter({
      name: 'perdure_human_tasks_opened_total',
      help: 'Human tasks that were put into inboxes.',
      labels: [...WORKFLOW, 'task'],
      seriesMax: HUMAN_TASKS_MAX,
    })
    this.#humanClosed = registry.counter({
      name: 'perdure_human_tasks_closed_total',
      help: 'Human tasks that have ended, by how.',
      labels: [...WORKFLOW, 'task', 'outcome'],
      seriesMax: HUMAN_TASKS_MAX,
    })
    this.#workflows = new SeriesTable(WORKFLOWS_MAX, (...names) => {
      // There before the first one fails: whoever looks for a change sees it.
      this.#closed.of(...names, 'failed')
      this.#counted.get('execution-parked')?.of(...names)
      return {
        started: started.of(...names),
        startLatency: startLatency.of(...names),
        responseTime: responseTime.of(...names),
        closed: new Map(),
        steps: new Map(),
      }
    })
    this.#steps = stepTable(registry)
  }

  /** Its end, or its start, may have become durable. */
  committed(execution: ObservedExecution): void {
    const { state } = execution
    if (execution.isStartUncounted) {
      execution.isStartUncounted = false
      const series = this.#of(execution)
      series.started.add()
      series.startLatency.observe(this.#secondsSince(state.startedAt))
    }
    // A run may be looked at again after its end, when it is asked for its outcome.
    if (state.terminal === undefined || execution.endCountedAt === state.seq) return
    execution.endCountedAt = state.seq
    const { type } = state.terminal
    const { closed, responseTime } = this.#of(execution)
    let counter = closed.get(type)
    if (counter === undefined) {
      counter = this.#closed.of(state.key.namespace, state.workflow, STATUS[type])
      closed.set(type, counter)
    }
    counter.add()
    responseTime.observe(this.#secondsSince(state.startedAt))
  }

  /** An event was decided. Those of steps are not counted here: their worker tells of each attempt. */
  appended({ state }: ObservedExecution, event: Event): void {
    const { key, workflow } = state
    switch (event.type) {
      case 'step-completed':
      case 'execution-started':
        return
      case 'step-attempt-failed':
        this.#stepOf(key.namespace, workflow, event.name).retries.add()
        return
      case 'human-task-opened':
        this.#humanOpened.of(key.namespace, workflow, event.name).add()
        return
      case 'human-task-closed':
        this.#humanClosed.of(key.namespace, workflow, event.name, event.outcome).add()
        return
      default:
        this.#counted.get(event.type)?.of(key.namespace, workflow).add()
    }
    if (state.ops.size > 0 && isTerminal(event)) this.#endWith(state)
  }

  /** Human tasks end with their execution, and no event says so. */
  #endWith({ key, workflow, ops }: ExecutionState): void {
    for (const pending of ops.values())
      if (pending.kind === 'human')
        this.#humanClosed.of(key.namespace, workflow, pending.name, 'cancelled').add()
  }

  /** A step is given to its worker. */
  stepStarted(step: StepDispatch): void {
    step.startedMs = this.#tickMs()
  }

  /** What the worker says of an attempt that is waited for. */
  stepEnded(execution: ObservedExecution, { op, startedMs }: StepDispatch, hasFailed: boolean): void {
    const pending = execution.state.ops.get(op)
    if (pending?.kind !== 'step' || startedMs === undefined) return
    const { steps } = this.#of(execution)
    let series = steps.get(pending.name)
    if (series === undefined) {
      const { key, workflow } = execution.state
      series = this.#stepOf(key.namespace, workflow, pending.name)
      if (steps.size < STEPS_MAX) steps.set(pending.name, series)
    }
    series.runTime.observe((this.#tickMs() - startedMs) / 1000)
    if (hasFailed) series.failures.add()
  }

  #of(execution: ObservedExecution): WorkflowSeries {
    const { state } = execution
    execution.series ??= this.#workflows.of(state.key.namespace, state.workflow)
    return execution.series
  }

  #stepOf(namespace: string, workflow: string, step: string): StepSeries {
    return this.#steps.of(namespace, workflow, step)
  }

  /** Wall time, which may have been set back meanwhile where the engine has another clock now. */
  #secondsSince(ms: number): number {
    return Math.max(0, this.#clock.nowMs() - ms) / 1000
  }

  #tickMs(): number {
    return this.#clock.tickMs?.() ?? this.#clock.nowMs()
  }
}

function stepTable(
  registry: MetricsRegistry,
): SeriesTable<[namespace: string, workflow: string, step: string], StepSeries> {
  const labels = [...WORKFLOW, 'step']
  const runTime = registry.histogram({
    name: 'perdure_step_run_time_seconds',
    help: 'Of attempts of steps, from when they are given to their worker until it tells their end.',
    unit: 'seconds',
    labels,
    buckets: WORK_SECONDS,
  })
  const failures = registry.counter({
    name: 'perdure_step_failures_total',
    help: 'Attempts of steps that have failed.',
    labels,
  })
  const retries = registry.counter({
    name: 'perdure_step_retries_total',
    help: 'Attempts of steps that have failed and are followed by another one.',
    labels,
  })
  return new SeriesTable(STEPS_MAX, (...names) => ({
    runTime: runTime.of(...names),
    failures: failures.of(...names),
    retries: retries.of(...names),
  }))
}
