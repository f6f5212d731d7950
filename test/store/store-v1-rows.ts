/** What is in `test/fixtures/store-v1.db`, written out: helpers may change, this may not. */
import type { RunId } from '../../src/protocol/ids.ts'
import type { ExecutionRow, JournalEntry, OutboxRow, TimerRow } from '../../src/store/contract/rows.ts'
import type { BatchRows } from '../contract/store-rows.ts'

const SLEEPING = '01HF7YAT000123456789ABCDEF' as RunId
const CLOSED = '01HF7YAT010123456789ABCDEF' as RunId
const PARKED = '01HFAGQ6020123456789ABCDEF' as RunId
const DELETED = '01HFAGQ6030123456789ABCDEF' as RunId

const at = 1_700_000_000_000
const key = (workflowId: string) => ({ namespace: 'default', workflowId })

const sleeping: ExecutionRow = {
  runId: SLEEPING,
  key: key('order-1'),
  shard: 1,
  workflow: 'fulfil-order',
  version: '1',
  status: 'running',
  active: false,
  startedAt: at,
  closedAt: null,
  attributes: { customer: 'Ä 漢字', amount: 12.5, paid: false, note: null },
}
const closed: ExecutionRow = {
  ...sleeping,
  runId: CLOSED,
  key: { namespace: 'tenant', workflowId: 'order-1' },
  shard: 7,
  status: 'completed',
  closedAt: at + 5_000,
  attributes: null,
}
const parked: ExecutionRow = {
  ...sleeping,
  runId: PARKED,
  key: key('order-2'),
  shard: 2,
  version: '2',
  status: 'parked',
  attributes: {},
}

const started: JournalEntry = {
  runId: SLEEPING,
  seq: 1,
  epoch: 1,
  count: 2,
  events: `[{"type":"execution-started","at":${at}},{"type":"timer-started","at":${at},"op":1,"name":"sleep"}]`,
}
const fired: JournalEntry = {
  runId: SLEEPING,
  seq: 3,
  epoch: 1,
  count: 1,
  events: '[{"type":"timer-fired","op":1}]',
}
const completed: JournalEntry = {
  runId: CLOSED,
  seq: 1,
  epoch: 1,
  count: 1,
  events: '[{"text":"line\\nfeed 😀"}]',
}

const deadline: TimerRow = { runId: SLEEPING, timer: -2, shard: 1, dueAt: at + 86_400_000 }
const sleep: TimerRow = { runId: SLEEPING, timer: 2, shard: 1, dueAt: at + 60_000 }
const message: OutboxRow = { fromShard: 1, toShard: 7, seq: 12, message: '{"kind":"child-started"}' }

export const STORE_V1_BATCHES: readonly BatchRows[] = [
  {
    journal: [started, completed],
    executionsInserted: [
      sleeping,
      { ...closed, status: 'running', closedAt: null },
      { ...parked, runId: DELETED },
    ],
    currents: [
      { key: sleeping.key, runId: SLEEPING },
      { key: closed.key, runId: CLOSED },
      { key: parked.key, runId: DELETED },
    ],
    timersArmed: [sleep, deadline],
    outboxAdded: [message, { ...message, seq: 11 }],
  },
  {
    journal: [fired],
    executionsInserted: [parked],
    executionsUpdated: [
      {
        runId: CLOSED,
        change: { status: 'completed', active: false, closedAt: at + 5_000, attributes: null },
      },
    ],
    outboxDropped: [{ fromShard: 1, toShard: 7, seq: 11 }],
  },
  { deleted: [{ runId: DELETED, key: parked.key }] },
  { currents: [{ key: parked.key, runId: PARKED }] },
]

/** What the file holds after these batches. */
export const STORE_V1 = {
  runIds: [SLEEPING, CLOSED, PARKED, DELETED],
  keys: [sleeping.key, closed.key, parked.key],
  clockFloorMs: at + 3,
  session: { id: 1, incarnation: 'v1' },
  content: {
    executions: [sleeping, closed, parked],
    found: [sleeping, closed, parked, undefined],
    recoverable: [parked],
    currents: [SLEEPING, CLOSED, PARKED],
    journals: [
      [SLEEPING, [started, fired]],
      [CLOSED, [completed]],
    ],
    timers: [sleep, deadline],
    outbox: [message],
  },
}
