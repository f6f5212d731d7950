/** When each alert rule fires, and when it does not: series as `promtool test rules` takes them, a value a minute. */

export interface AlertCase {
  readonly alert: string
  readonly what: string
  /** Series and values, such as `'0+1x10'`: 0, 1, … 10. */
  readonly series: Readonly<Record<string, string>>
  /** When it is looked at. */
  readonly at: string
  /** Labels of what fires beside job and severity, and what it says; undefined: nothing fires. */
  readonly fires?: { readonly labels: Readonly<Record<string, string>>; readonly summary: string }
}

const of = (metric: string, labels: string): string => `${metric}{job="perdure", ${labels}}`
const A = 'instance="a:1"'
const QUEUE = 'namespace="default", queue="mail"'
const queue = { namespace: 'default', queue: 'mail' }
const WORKFLOW = 'namespace="default", workflow="order"'
const workflow = { namespace: 'default', workflow: 'order' }
const a = { instance: 'a:1' }
const EVEN = '0x60'

/** Observations that come at a constant rate, all of them at this bound. */
const histogram = (metric: string, labels: string, below: string, bound: string): Record<string, string> => ({
  [of(`${metric}_bucket`, `${labels}, le="${below}"`)]: EVEN,
  [of(`${metric}_bucket`, `${labels}, le="${bound}"`)]: '0+60x60',
  [of(`${metric}_bucket`, `${labels}, le="+Inf"`)]: '0+60x60',
})

export const alertCases: readonly AlertCase[] = [
  {
    alert: 'PerdureNodeDown',
    what: 'a node does not answer',
    series: { [of('up', A)]: '1x5 0x10', [of('up', 'instance="b:1"')]: '1x15' },
    at: '10m',
    fires: { labels: a, summary: 'Node a:1 does not answer.' },
  },
  {
    alert: 'PerdureNodeDown',
    what: 'one scrape was missed',
    series: { [of('up', A)]: '1x9 0 1x9' },
    at: '11m',
  },
  {
    alert: 'PerdureShardsUnowned',
    what: 'a node was lost, and nobody has its shards',
    series: {
      [of('perdure_shards', A)]: '256x20',
      [of('perdure_shards', 'instance="b:1"')]: '256x20',
      [of('perdure_shards_owned', A)]: '128x20',
      [of('perdure_shards_owned', 'instance="b:1"')]: '128x5 0x15',
    },
    at: '10m',
    fires: { labels: {}, summary: '128 shards have no owner: executions and queues in them stand still.' },
  },
  {
    alert: 'PerdureShardsUnowned',
    what: 'they move from one node to another',
    series: {
      [of('perdure_shards', A)]: '256x20',
      [of('perdure_shards_owned', A)]: '256x5 200 128x14',
      [of('perdure_shards_owned', 'instance="b:1"')]: '0x5 40 128x14',
    },
    at: '10m',
  },
  {
    alert: 'PerdureNoLeader',
    what: 'nobody leads',
    series: {
      [of('perdure_node_leader', A)]: '1x3 0x12',
      [of('perdure_node_leader', 'instance="b:1"')]: '0x15',
    },
    at: '10m',
    fires: {
      labels: {},
      summary: 'No node leads the cluster: the shards of nodes that die now are not taken over.',
    },
  },
  {
    alert: 'PerdureNoLeader',
    what: 'another one leads',
    series: {
      [of('perdure_node_leader', A)]: '1x3 0x12',
      [of('perdure_node_leader', 'instance="b:1"')]: '0x3 1x12',
    },
    at: '10m',
  },
  {
    alert: 'PerdureFailover',
    what: 'a node was fenced',
    series: { [of('perdure_failovers_total', A)]: '0x5 1x10' },
    at: '8m',
    fires: { labels: {}, summary: 'A node was found dead, and its shards were taken over.' },
  },
  {
    alert: 'PerdureFailover',
    what: 'long ago',
    series: { [of('perdure_failovers_total', A)]: '0x5 1x40' },
    at: '30m',
  },
  {
    alert: 'PerdureSessionFenced',
    what: 'a session was lost',
    series: { [of('perdure_sessions_fenced_total', A)]: '0x5 1x10' },
    at: '8m',
    fires: { labels: a, summary: 'Node a:1 was fenced by others while it lived.' },
  },
  {
    alert: 'PerdureSessionFenced',
    what: 'the node was restarted',
    series: { [of('perdure_sessions_fenced_total', A)]: '3x5 0x10' },
    at: '8m',
  },
  {
    alert: 'PerdureEventLoopBlocked',
    what: 'timers are late for minutes',
    series: { [of('perdure_event_loop_delay_seconds', `${A}, level="p99"`)]: '0.5x20' },
    at: '10m',
    fires: { labels: { ...a, level: 'p99' }, summary: 'Timers of node a:1 are late by 500ms.' },
  },
  {
    alert: 'PerdureEventLoopBlocked',
    what: 'only the worst of them is late',
    series: {
      [of('perdure_event_loop_delay_seconds', `${A}, level="p99"`)]: '0.02x20',
      [of('perdure_event_loop_delay_seconds', `${A}, level="max"`)]: '0.9x20',
    },
    at: '10m',
  },
  {
    alert: 'PerdureHeapNearlyFull',
    what: 'for ten minutes',
    series: {
      [of('nodejs_heap_size_used_bytes', A)]: '95x30',
      [of('nodejs_heap_size_limit_bytes', A)]: '100x30',
    },
    at: '15m',
    fires: { labels: a, summary: 'Node a:1 uses 95% of the heap that it may use.' },
  },
  {
    alert: 'PerdureHeapNearlyFull',
    what: 'garbage is collected in between',
    series: {
      [of('nodejs_heap_size_used_bytes', A)]: '95x5 50 95x5 50 95x5',
      [of('nodejs_heap_size_limit_bytes', A)]: '100x30',
    },
    at: '15m',
  },
  {
    alert: 'PerdureCommitsSlow',
    what: 'they take a second',
    series: histogram('perdure_commit_duration_seconds', A, '0.5', '1.0'),
    at: '15m',
    fires: { labels: a, summary: 'Commits of node a:1 take 995ms.' },
  },
  {
    alert: 'PerdureCommitsSlow',
    what: 'they take milliseconds',
    series: histogram('perdure_commit_duration_seconds', A, '0.001', '0.005'),
    at: '15m',
  },
  {
    alert: 'PerdureCommitsUnknown',
    what: 'an answer was lost',
    series: { [of('perdure_commits_total', `${A}, outcome="unknown"`)]: '2x5 3x10' },
    at: '8m',
    fires: { labels: { ...a, outcome: 'unknown' }, summary: 'Answers to commits of node a:1 were lost.' },
  },
  {
    alert: 'PerdureCommitsUnknown',
    what: 'all are committed',
    series: {
      [of('perdure_commits_total', `${A}, outcome="unknown"`)]: '2x15',
      [of('perdure_commits_total', `${A}, outcome="committed"`)]: '0+50x15',
    },
    at: '8m',
  },
  {
    alert: 'PerdureCommitsRefused',
    what: 'a batch was refused',
    series: { [of('perdure_commits_total', `${A}, outcome="refused"`)]: '0x5 1x10' },
    at: '8m',
    fires: { labels: { ...a, outcome: 'refused' }, summary: 'The store refuses what node a:1 writes.' },
  },
  {
    alert: 'PerdureCommitsRefused',
    what: 'none was, of late',
    series: { [of('perdure_commits_total', `${A}, outcome="refused"`)]: '1x15' },
    at: '8m',
  },
  {
    alert: 'PerdureBacklogOfCommits',
    what: 'the store is too slow',
    series: { [of('perdure_uncommitted_rows', A)]: '60000x10' },
    at: '5m',
    fires: {
      labels: a,
      summary: '60000 rows of node a:1 wait for their commit: from 100,000 on calls are refused.',
    },
  },
  {
    alert: 'PerdureBacklogOfCommits',
    what: 'a burst',
    series: { [of('perdure_uncommitted_rows', A)]: '0x4 60000 0x10' },
    at: '5m',
  },
  {
    alert: 'PerdureMessagesWait',
    what: 'another node does not take them',
    series: { [of('perdure_outgoing_messages', A)]: '5000x15' },
    at: '10m',
    fires: { labels: a, summary: '5000 messages of node a:1 to other nodes wait.' },
  },
  {
    alert: 'PerdureMessagesWait',
    what: 'a few are on their way',
    series: { [of('perdure_outgoing_messages', A)]: '50x15' },
    at: '10m',
  },
  {
    alert: 'PerdureExecutionsParked',
    what: 'one more was parked',
    series: { [of('perdure_executions_parked_total', `${A}, ${WORKFLOW}`)]: '4x12 5x10' },
    at: '15m',
    fires: { labels: workflow, summary: 'Executions of workflow order were parked.' },
  },
  {
    alert: 'PerdureExecutionsParked',
    what: 'the first one was parked before anybody saw the count at 0',
    series: { [of('perdure_executions_parked_total', `${A}, ${WORKFLOW}`)]: '_x12 1x10' },
    at: '15m',
    fires: { labels: workflow, summary: 'Executions of workflow order were parked.' },
  },
  {
    alert: 'PerdureExecutionsParked',
    what: 'none was, of late',
    series: { [of('perdure_executions_parked_total', `${A}, ${WORKFLOW}`)]: '5x30' },
    at: '25m',
  },
  {
    alert: 'PerdureExecutionsFail',
    what: 'a tenth of them',
    series: {
      [of('perdure_executions_closed_total', `${A}, ${WORKFLOW}, status="completed"`)]: '0+90x40',
      [of('perdure_executions_closed_total', `${A}, ${WORKFLOW}, status="failed"`)]: '0+10x40',
    },
    at: '30m',
    fires: { labels: workflow, summary: '10% of the executions of workflow order fail.' },
  },
  {
    alert: 'PerdureExecutionsFail',
    what: 'one in a hundred',
    series: {
      [of('perdure_executions_closed_total', `${A}, ${WORKFLOW}, status="completed"`)]: '0+99x40',
      [of('perdure_executions_closed_total', `${A}, ${WORKFLOW}, status="failed"`)]: '0+1x40',
    },
    at: '30m',
  },
  {
    alert: 'PerdureStepsFail',
    what: 'half of the attempts',
    series: {
      [of('perdure_step_failures_total', `${A}, ${WORKFLOW}, step="pay"`)]: '0+50x40',
      [of('perdure_step_run_time_seconds_count', `${A}, ${WORKFLOW}, step="pay"`)]: '0+100x40',
    },
    at: '30m',
    fires: {
      labels: { ...workflow, step: 'pay' },
      summary: '50% of the attempts of step pay of workflow order fail.',
    },
  },
  {
    alert: 'PerdureStepsFail',
    what: 'nothing runs',
    series: {
      [of('perdure_step_failures_total', `${A}, ${WORKFLOW}, step="pay"`)]: '50x40',
      [of('perdure_step_run_time_seconds_count', `${A}, ${WORKFLOW}, step="pay"`)]: '100x40',
    },
    at: '30m',
  },
  {
    alert: 'PerdureTimersLate',
    what: 'by ten seconds',
    series: histogram('perdure_timer_lateness_seconds', `${A}, kind="execution"`, '5.0', '10.0'),
    at: '15m',
    fires: { labels: { kind: 'execution' }, summary: 'Timers (execution) fire 9.95s late.' },
  },
  {
    alert: 'PerdureTimersLate',
    what: 'by milliseconds',
    series: histogram('perdure_timer_lateness_seconds', `${A}, kind="execution"`, '0.001', '0.005'),
    at: '15m',
  },
  {
    alert: 'PerdureDeadLetters',
    what: 'one task expired, on one of two nodes',
    series: {
      [of('perdure_tasks_closed_total', `${A}, ${QUEUE}, task="send", status="expired"`)]: '0x12 1x10',
      [of('perdure_tasks_closed_total', `instance="b:1", ${QUEUE}, task="send", status="failed"`)]: '7x22',
    },
    at: '15m',
    fires: { labels: { ...queue, task: 'send' }, summary: 'Tasks send of queue mail are given up.' },
  },
  {
    alert: 'PerdureDeadLetters',
    what: 'the first one of a node that has just begun',
    series: {
      [of('perdure_tasks_closed_total', `${A}, ${QUEUE}, task="send", status="failed"`)]: '_x12 1x10',
    },
    at: '15m',
    fires: { labels: { ...queue, task: 'send' }, summary: 'Tasks send of queue mail are given up.' },
  },
  {
    alert: 'PerdureDeadLetters',
    what: 'tasks are completed and cancelled',
    series: {
      [of('perdure_tasks_closed_total', `${A}, ${QUEUE}, task="send", status="completed"`)]: '0+9x30',
      [of('perdure_tasks_closed_total', `${A}, ${QUEUE}, task="send", status="cancelled"`)]: '0+1x30',
      [of('perdure_tasks_closed_total', `${A}, ${QUEUE}, task="send", status="failed"`)]: '3x30',
    },
    at: '15m',
  },
  {
    alert: 'PerdureQueueWaits',
    what: 'ten minutes',
    series: {
      [of('perdure_queue_oldest_task_age_seconds', `${A}, ${QUEUE}`)]: '600x20',
      [of('perdure_queue_paused', `${A}, ${QUEUE}`)]: '0x20',
    },
    at: '10m',
    fires: { labels: queue, summary: 'A task has waited in queue mail for 10m 0s.' },
  },
  {
    alert: 'PerdureQueueWaits',
    what: 'the queue is paused',
    series: {
      [of('perdure_queue_oldest_task_age_seconds', `${A}, ${QUEUE}`)]: '600x20',
      [of('perdure_queue_paused', `${A}, ${QUEUE}`)]: '1x20',
    },
    at: '10m',
  },
  {
    alert: 'PerdureQueueWithoutWorkers',
    what: 'tasks wait for a worker that never comes',
    series: {
      [of('perdure_queue_waiting_tasks', `${A}, ${QUEUE}`)]: '12x20',
      [of('perdure_queue_workers', `${A}, ${QUEUE}`)]: '0x20',
    },
    at: '10m',
    fires: { labels: queue, summary: '12 tasks wait in queue mail, which no worker serves.' },
  },
  {
    alert: 'PerdureQueueWithoutWorkers',
    what: 'the workers are those of another node',
    series: {
      [of('perdure_queue_waiting_tasks', `${A}, ${QUEUE}`)]: '12x20',
      [of('perdure_queue_workers', `${A}, ${QUEUE}`)]: '0x20',
      [of('perdure_queue_workers', `instance="b:1", ${QUEUE}`)]: '1x20',
    },
    at: '10m',
  },
  {
    alert: 'PerdureQueueNeedsWorkers',
    what: 'twice as many are wanted',
    series: {
      [of('perdure_queue_desired_slots', `${A}, ${QUEUE}`)]: '20x30',
      [of('perdure_queue_worker_slots', `${A}, ${QUEUE}`)]: '10x30',
    },
    at: '20m',
    fires: { labels: queue, summary: 'Queue mail needs 20 slots, more than its workers have.' },
  },
  {
    alert: 'PerdureQueueNeedsWorkers',
    what: 'they come in time',
    series: {
      [of('perdure_queue_desired_slots', `${A}, ${QUEUE}`)]: '20x30',
      [of('perdure_queue_worker_slots', `${A}, ${QUEUE}`)]: '10x10 20x20',
    },
    at: '20m',
  },
  {
    alert: 'PerdureQueuePaused',
    what: 'for more than an hour',
    series: {
      [of('perdure_queue_paused', `${A}, ${QUEUE}`)]: '1x90',
      [of('perdure_queue_waiting_tasks', `${A}, ${QUEUE}`)]: '3x90',
    },
    at: '70m',
    fires: { labels: queue, summary: 'Queue mail has been paused for an hour, and tasks wait in it.' },
  },
  {
    alert: 'PerdureQueuePaused',
    what: 'nothing waits in it',
    series: {
      [of('perdure_queue_paused', `${A}, ${QUEUE}`)]: '1x90',
      [of('perdure_queue_waiting_tasks', `${A}, ${QUEUE}`)]: '0x90',
    },
    at: '70m',
  },
  {
    alert: 'PerdureTasksFail',
    what: 'half of the attempts',
    series: {
      [of('perdure_task_attempts_total', `${A}, ${QUEUE}, task="send", outcome="completed"`)]: '0+5x40',
      [of('perdure_task_attempts_total', `${A}, ${QUEUE}, task="send", outcome="failed"`)]: '0+5x40',
    },
    at: '30m',
    fires: {
      labels: { ...queue, task: 'send' },
      summary: '50% of the attempts of task send of queue mail fail.',
    },
  },
  {
    alert: 'PerdureTasksFail',
    what: 'slices end, and one in ten fails',
    series: {
      [of('perdure_task_attempts_total', `${A}, ${QUEUE}, task="send", outcome="yielded"`)]: '0+9x40',
      [of('perdure_task_attempts_total', `${A}, ${QUEUE}, task="send", outcome="failed"`)]: '0+1x40',
    },
    at: '30m',
  },
  {
    alert: 'PerdureMetricOverflowed',
    what: 'for more than an hour',
    series: { [of('perdure_metric_overflowed', `${A}, metric="x_total"`)]: '1x90' },
    at: '70m',
    fires: { labels: { metric: 'x_total' }, summary: 'x_total has more labels than it keeps apart.' },
  },
  {
    alert: 'PerdureMetricOverflowed',
    what: 'since a moment',
    series: { [of('perdure_metric_overflowed', `${A}, metric="x_total"`)]: '_x60 1x30' },
    at: '70m',
  },
]
