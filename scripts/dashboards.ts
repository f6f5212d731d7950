// Writes the Grafana dashboards of docs/deploy/grafana: `node scripts/dashboards.ts`, then `npm run lint -- --write docs/deploy`. A
// test holds the files against this.

import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

type Unit = 's' | 'bytes' | 'short' | 'reqps' | 'percentunit'

interface Panel {
  readonly title: string
  readonly about: string
  readonly unit: Unit
  /** Legend and query, one for each. */
  readonly queries: readonly (readonly [legend: string, query: string])[]
}

interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

interface Dashboard {
  readonly file: string
  readonly uid: string
  readonly title: string
  readonly rows: readonly Row[]
}

const JOB = 'job="$job"'
const NS = `${JOB}, namespace=~"$namespace"`

/** Per second, of a counter. */
const rate = (metric: string, by: string, labels = JOB): string =>
  `sum by (${by}) (rate(${metric}{${labels}}[$__rate_interval]))`

const quantile = (q: number, metric: string, by: string, labels = JOB): string =>
  `histogram_quantile(${q}, ${rate(`${metric}_bucket`, by === '' ? 'le' : `${by}, le`, labels)})`

const percentiles = (metric: string, by: string, legend: string, labels = JOB): Panel['queries'] => [
  [`p50 ${legend}`.trim(), quantile(0.5, metric, by, labels)],
  [`p99 ${legend}`.trim(), quantile(0.99, metric, by, labels)],
]

const panel = (title: string, about: string, unit: Unit, ...queries: Panel['queries']): Panel => ({
  title,
  about,
  unit,
  queries,
})

const executions: Dashboard = {
  file: 'perdure-executions.json',
  uid: 'perdure-executions',
  title: 'Perdure: executions',
  rows: [
    {
      title: 'Executions',
      panels: [
        panel('Started', 'Starts per second whose commit was acknowledged.', 'reqps', [
          '{{workflow}}',
          rate('perdure_executions_started_total', 'workflow', NS),
        ]),
        panel('Closed', 'Ends per second, by how.', 'reqps', [
          '{{workflow}} {{status}}',
          rate('perdure_executions_closed_total', 'workflow, status', NS),
        ]),
        panel(
          'Response time',
          'From the start of an execution until its end is durable.',
          's',
          ...percentiles('perdure_execution_response_time_seconds', 'workflow', '{{workflow}}', NS),
        ),
        panel(
          'Start latency',
          'From when a start is taken in until it is durable.',
          's',
          ...percentiles('perdure_execution_start_latency_seconds', '', '', NS),
        ),
        panel('Parked', 'Parked executions need somebody: see the runbook.', 'short', [
          'parked {{workflow}}',
          `sum by (workflow) (increase(perdure_executions_parked_total{${NS}}[$__rate_interval]))`,
        ]),
        panel(
          'In memory',
          'Busy, and waiting for an event. Others that wait are in the store only.',
          'short',
          ['{{state}}', `sum by (state) (perdure_executions_in_memory{${JOB}})`],
        ),
      ],
    },
    {
      title: 'Steps',
      panels: [
        panel('Attempts', 'Attempts of steps that have ended, per second.', 'reqps', [
          '{{workflow}} {{step}}',
          rate('perdure_step_run_time_seconds_count', 'workflow, step', NS),
        ]),
        panel(
          'Run time',
          'From when an attempt is given to its worker until it ends.',
          's',
          ...percentiles('perdure_step_run_time_seconds', 'workflow, step', '{{workflow}} {{step}}', NS),
        ),
        panel('Failed attempts', 'Of all attempts of a step.', 'percentunit', [
          '{{workflow}} {{step}}',
          `${rate('perdure_step_failures_total', 'workflow, step', NS)} / ${rate('perdure_step_run_time_seconds_count', 'workflow, step', NS)}`,
        ]),
      ],
    },
    {
      title: 'Events, timers, people',
      panels: [
        panel(
          'Signals, updates, children, sleeps',
          'Per second.',
          'reqps',
          ['signals', `sum(rate(perdure_signals_received_total{${NS}}[$__rate_interval]))`],
          ['children', `sum(rate(perdure_children_started_total{${NS}}[$__rate_interval]))`],
          ['sleeps', `sum(rate(perdure_timers_started_total{${NS}}[$__rate_interval]))`],
        ),
        panel(
          'Lateness of timers',
          'Sleeps and time limits of executions, delays of tasks, schedules.',
          's',
          ...percentiles('perdure_timer_lateness_seconds', 'kind', '{{kind}}'),
        ),
        panel('Timers in memory', 'Due within seconds.', 'short', [
          '{{kind}}',
          `sum by (kind) (perdure_timers_in_memory{${JOB}})`,
        ]),
        panel('Runs of schedules', 'Executions that schedules have started, per second.', 'reqps', [
          '{{namespace}}',
          rate('perdure_schedule_runs_total', 'namespace', NS),
        ]),
        panel(
          'Human tasks',
          'Opened and closed in the time shown.',
          'short',
          ['opened {{task}}', `sum by (task) (increase(perdure_human_tasks_opened_total{${NS}}[$__range]))`],
          [
            '{{outcome}} {{task}}',
            `sum by (task, outcome) (increase(perdure_human_tasks_closed_total{${NS}}[$__range]))`,
          ],
        ),
      ],
    },
  ],
}

const tasks: Dashboard = {
  file: 'perdure-tasks.json',
  uid: 'perdure-tasks',
  title: 'Perdure: queues, tasks and workers',
  rows: [
    {
      title: 'Queues',
      panels: [
        panel('Waiting', 'Tasks that wait.', 'short', [
          '{{queue}}',
          `sum by (queue) (perdure_queue_waiting_tasks{${NS}})`,
        ]),
        panel('Age of the oldest', 'How long the oldest task that waits has done so.', 's', [
          '{{queue}}',
          `max by (queue) (perdure_queue_oldest_task_age_seconds{${NS}})`,
        ]),
        panel('Running', 'Tasks that run.', 'short', [
          '{{queue}}',
          `sum by (queue) (perdure_queue_running_tasks{${NS}})`,
        ]),
        panel(
          'Slots: there, and wanted',
          'Tasks that can run at once, and as many as should, so that what waits begins within the target wait.',
          'short',
          ['there {{queue}}', `sum by (queue) (perdure_queue_worker_slots{${NS}})`],
          ['wanted {{queue}}', `sum by (queue) (perdure_queue_desired_slots{${NS}})`],
        ),
        panel(
          'Workers: there, and wanted',
          'The signal for autoscaling.',
          'short',
          ['there {{queue}}', `max by (queue) (perdure_queue_workers{${NS}})`],
          ['wanted {{queue}}', `ceil(sum by (queue) (perdure_queue_desired_workers{${NS}}))`],
        ),
        panel('Paused', '1: nothing of it starts.', 'short', [
          '{{queue}}',
          `max by (queue) (perdure_queue_paused{${NS}})`,
        ]),
      ],
    },
    {
      title: 'Tasks',
      panels: [
        panel('Enqueued', 'Per second.', 'reqps', [
          '{{queue}} {{task}}',
          rate('perdure_tasks_enqueued_total', 'queue, task', NS),
        ]),
        panel('Closed', 'Per second, by how. Failed and expired ones are dead letters.', 'reqps', [
          '{{task}} {{status}}',
          rate('perdure_tasks_closed_total', 'task, status', NS),
        ]),
        panel(
          'Wait for the first attempt',
          'From when a task is enqueued, or its delay is over.',
          's',
          ...percentiles('perdure_task_schedule_to_start_seconds', 'queue', '{{queue}}', NS),
        ),
        panel(
          'Run time',
          'Of an attempt.',
          's',
          ...percentiles('perdure_task_run_time_seconds', 'task', '{{task}}', NS),
        ),
        panel(
          'Response time',
          'From when a task is enqueued until its end is durable.',
          's',
          ...percentiles('perdure_task_response_time_seconds', 'queue', '{{queue}}', NS),
        ),
        panel('Attempts', 'Per second, by how they ended.', 'reqps', [
          '{{task}} {{outcome}}',
          rate('perdure_task_attempts_total', 'task, outcome', NS),
        ]),
        panel('Retries', 'Failed attempts that are followed by another one, per second.', 'reqps', [
          '{{task}}',
          rate('perdure_task_retries_total', 'task', NS),
        ]),
      ],
    },
    {
      title: 'Workers',
      panels: [
        panel('Connected', 'Workers of other processes, and nodes with code of tasks.', 'short', [
          '{{kind}} at {{instance}}',
          `sum by (instance, kind) (perdure_workers{${JOB}})`,
        ]),
        panel(
          'Slots and tasks',
          'What each worker takes at once, of all nodes, and what it has.',
          'short',
          ['slots {{worker}}', `sum by (worker) (perdure_worker_slots{${JOB}})`],
          ['tasks {{worker}}', `sum by (worker) (perdure_worker_running_tasks{${JOB}})`],
        ),
        panel(
          'Run time of tasks',
          'Of an attempt, by worker.',
          's',
          ...percentiles('perdure_worker_task_run_time_seconds', 'worker', '{{worker}}'),
        ),
        panel('Failed attempts', 'Per second, by worker.', 'reqps', [
          '{{worker}}',
          rate('perdure_worker_task_failures_total', 'worker'),
        ]),
        panel(
          'Load',
          'What workers report of themselves.',
          'percentunit',
          ['cpu {{worker}}', `max by (worker) (perdure_worker_cpu_ratio{${JOB}})`],
          ['memory {{worker}}', `max by (worker) (perdure_worker_memory_ratio{${JOB}})`],
        ),
        panel('Event loop', 'Mean delay of timers that workers report.', 's', [
          '{{worker}}',
          `max by (worker) (perdure_worker_event_loop_delay_seconds{${JOB}})`,
        ]),
      ],
    },
  ],
}

const nodes: Dashboard = {
  file: 'perdure-nodes.json',
  uid: 'perdure-nodes',
  title: 'Perdure: nodes and store',
  rows: [
    {
      title: 'Cluster',
      panels: [
        panel(
          'Nodes',
          'Those that answer, and the cluster as it sees itself.',
          'short',
          ['answer', `sum(up{${JOB}})`],
          ['{{state}}', `max by (state) (perdure_cluster_nodes{${JOB}})`],
        ),
        panel('Shards', 'Owned by each node.', 'short', ['{{instance}}', `perdure_shards_owned{${JOB}}`]),
        panel('Leader', '1: it leads.', 'short', ['{{instance}}', `perdure_node_leader{${JOB}}`]),
        panel(
          'Fail-overs, fences, moves of shards',
          'In the time shown.',
          'short',
          ['fail-overs', `sum(increase(perdure_failovers_total{${JOB}}[$__range]))`],
          ['fenced {{instance}}', `increase(perdure_sessions_fenced_total{${JOB}}[$__range])`],
          ['shards {{direction}} {{instance}}', `increase(perdure_shard_moves_total{${JOB}}[$__range])`],
        ),
        panel('Session', 'Its number rises with each new one.', 'short', [
          '{{instance}}',
          `perdure_session_id{${JOB}}`,
        ]),
        panel(
          'Messages',
          'Between executions, and between an execution and its tasks, per second, and those that wait for another node.',
          'short',
          ['{{path}}', rate('perdure_messages_sent_total', 'path')],
          ['from nodes', `sum(rate(perdure_messages_received_total{${JOB}}[$__rate_interval]))`],
          ['wait {{instance}}', `perdure_outgoing_messages{${JOB}}`],
        ),
        panel('Connections', 'From clients, workers and other nodes.', 'short', [
          '{{kind}} {{instance}}',
          `perdure_connections{${JOB}}`,
        ]),
      ],
    },
    {
      title: 'Commits',
      panels: [
        panel('Commits', 'Per second, by outcome.', 'reqps', [
          '{{outcome}} {{instance}}',
          rate('perdure_commits_total', 'instance, outcome'),
        ]),
        panel(
          'Duration',
          'From when a batch is given to the store until its outcome is there.',
          's',
          ...percentiles('perdure_commit_duration_seconds', 'instance', '{{instance}}'),
        ),
        panel(
          'Rows of a batch',
          'Median, and the mean.',
          'short',
          ['p50 {{instance}}', quantile(0.5, 'perdure_commit_rows', 'instance')],
          [
            'mean {{instance}}',
            `${rate('perdure_commit_rows_sum', 'instance')} / ${rate('perdure_commit_rows_count', 'instance')}`,
          ],
        ),
        panel('Bytes', 'Written per second, about.', 'bytes', [
          '{{instance}}',
          rate('perdure_commit_bytes_sum', 'instance'),
        ]),
        panel('Rows that wait', 'From 100,000 on calls are refused.', 'short', [
          '{{instance}}',
          `perdure_uncommitted_rows{${JOB}}`,
        ]),
        panel(
          'Connections to PostgreSQL',
          'And queries without an answer.',
          'short',
          ['connections {{instance}}', `sum by (instance) (perdure_store_connections{${JOB}})`],
          ['queries {{purpose}}', `sum by (purpose) (perdure_store_queries_in_flight{${JOB}})`],
        ),
      ],
    },
    {
      title: 'Process',
      panels: [
        panel('Processor', 'Cores in use.', 'short', [
          '{{instance}}',
          `rate(process_cpu_seconds_total{${JOB}}[$__rate_interval])`,
        ]),
        panel(
          'Memory',
          'Resident, and the heap of JavaScript.',
          'bytes',
          ['resident {{instance}}', `process_resident_memory_bytes{${JOB}}`],
          ['heap {{instance}}', `nodejs_heap_size_used_bytes{${JOB}}`],
        ),
        panel('Delay of the event loop', 'How late timers are.', 's', [
          '{{level}} {{instance}}',
          `perdure_event_loop_delay_seconds{${JOB}}`,
        ]),
        panel('Utilization of the event loop', 'At 1 the node can do no more.', 'percentunit', [
          '{{instance}}',
          `perdure_event_loop_utilization_ratio{${JOB}}`,
        ]),
      ],
    },
  ],
}

const SOURCE = { type: 'prometheus', uid: '$source' }
const PANEL_WIDTH = 8
const PANEL_HEIGHT = 8
const PER_LINE = 3

function panelsOf(rows: readonly Row[]): object[] {
  const panels: object[] = []
  let y = 0
  for (const { title, panels: own } of rows) {
    panels.push({
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      id: panels.length + 1,
      panels: [],
    })
    y += 1
    for (const [place, { title, about, unit, queries }] of own.entries()) {
      panels.push({
        type: 'timeseries',
        title,
        description: about,
        id: panels.length + 1,
        datasource: SOURCE,
        gridPos: {
          x: (place % PER_LINE) * PANEL_WIDTH,
          y: y + Math.floor(place / PER_LINE) * PANEL_HEIGHT,
          w: PANEL_WIDTH,
          h: PANEL_HEIGHT,
        },
        fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 5 } }, overrides: [] },
        options: {
          legend: { displayMode: 'list', placement: 'bottom' },
          tooltip: { mode: 'multi', sort: 'desc' },
        },
        targets: queries.map(([legendFormat, expr], i) => ({
          refId: String.fromCharCode('A'.charCodeAt(0) + i),
          datasource: SOURCE,
          expr,
          legendFormat,
        })),
      })
    }
    y += Math.ceil(own.length / PER_LINE) * PANEL_HEIGHT
  }
  return panels
}

const variable = (name: string, label: string, query: string, isMulti: boolean): object => ({
  type: 'query',
  name,
  label,
  datasource: SOURCE,
  query: { query, refId: name },
  refresh: 2,
  sort: 1,
  multi: isMulti,
  includeAll: isMulti,
  ...(isMulti ? { allValue: '.*', current: { text: 'All', value: '$__all' } } : {}),
})

/** As Grafana 10 and later import it. */
function jsonOf({ uid, title, rows }: Dashboard): string {
  const dashboard = {
    uid,
    title,
    tags: ['perdure'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { type: 'datasource', name: 'source', label: 'Prometheus', query: 'prometheus' },
        variable('job', 'Job', 'label_values(perdure_session_id, job)', false),
        variable('namespace', 'Namespace', 'label_values(perdure_executions_started_total, namespace)', true),
      ],
    },
    annotations: { list: [] },
    links: [
      {
        type: 'dashboards',
        title: 'Perdure',
        tags: ['perdure'],
        asDropdown: true,
        includeVars: true,
        keepTime: true,
      },
    ],
    panels: panelsOf(rows),
  }
  return `${JSON.stringify(dashboard, undefined, 2)}\n`
}

/** Text of each file, by its name. */
export const dashboards: ReadonlyMap<string, string> = new Map(
  [executions, tasks, nodes].map((dashboard) => [dashboard.file, jsonOf(dashboard)]),
)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = join(dirname(import.meta.dirname), 'docs', 'deploy', 'grafana')
  for (const [name, text] of dashboards) writeFileSync(join(folder, name), text)
}
