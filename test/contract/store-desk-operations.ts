/** Rows and queries of schedules, settings of queues, human tasks, administrative objects, and the audit trail, at random. */
import fc from 'fast-check'
import type { AuditHeadQuery, AuditKey, AuditQuery } from '../../src/store/contract/audit-rows.ts'
import type { Batch } from '../../src/store/contract/batch.ts'
import type { HumanTaskQuery } from '../../src/store/contract/human-task-rows.ts'
import type { QueueSettingQuery } from '../../src/store/contract/queue-setting-rows.ts'
import type { RegistryQuery } from '../../src/store/contract/registry-rows.ts'
import type { DueSchedulePage, ScheduleListQuery } from '../../src/store/contract/schedule-rows.ts'
import type { Store } from '../../src/store/contract/store.ts'
import {
  auditHeadRow,
  auditRow,
  humanTaskRow,
  queueSettingRow,
  registryRow,
  runIdAt,
  scheduleRow,
} from './store-rows.ts'

const small = (most: number) => fc.nat(most)
const optional = <T>(item: fc.Arbitrary<T>) => fc.option(item, { nil: undefined })
const few = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 2 })
const limit = fc.constantFrom(1, 1, 2, 100)
const due = fc.constantFrom(null, 0, 1, 2)
const run = small(5).map(runIdAt)
/** Without what is not asked for. */
const given = <T extends object>(it: T): T =>
  Object.fromEntries(Object.entries(it).filter((entry) => entry[1] !== undefined)) as T

export const scheduleKey = fc.record({
  namespace: fc.constantFrom('default', 'other'),
  id: fc.constantFrom('a', 'ä', '\uffff', '\u{10ffff}'),
})
export const schedule = fc
  .record({ key: scheduleKey, dueAt: due, waits: fc.boolean(), state: fc.constantFrom('{}', '{"a":1}') })
  .map(({ key: { id, namespace }, ...row }) => scheduleRow(id, { namespace, ...row }))

const queueSettingKey = fc.record({
  namespace: fc.constantFrom('default', 'other'),
  queue: fc.constantFrom('a', 'ä', '\uffff', '\u{10ffff}'),
})
export const queueSetting = fc
  .record({ key: queueSettingKey, revision: small(4), setting: fc.constantFrom('{}', '{"a":1}') })
  .map(({ key: { queue, namespace }, ...row }) => queueSettingRow(queue, { namespace, ...row }))

const humanInbox = fc.constantFrom('u:ann', 'g:ä', '\u{10ffff}')
export const humanKey = fc.record({ runId: run, op: small(3) })
export const humanTask = fc
  .record({
    key: humanKey,
    namespace: fc.constantFrom('default', 'other'),
    rank: fc.constantFrom('1', '2'),
    inboxes: fc.uniqueArray(humanInbox),
  })
  .map(({ key: { runId, op }, ...row }) => humanTaskRow(runId, op, row))

export const scheduleQuery: fc.Arbitrary<ScheduleListQuery> = fc
  .record({
    limit,
    namespace: optional(fc.constantFrom('default', 'other')),
    after: optional(scheduleKey),
    waits: optional(fc.constant(true)),
  })
  .map((it) => given(it) as never)

export const queueSettingQuery: fc.Arbitrary<QueueSettingQuery> = fc
  .record({
    limit,
    namespace: optional(fc.constantFrom('default', 'other')),
    after: optional(queueSettingKey),
  })
  .map((it) => given(it) as never)

export const humanTaskQuery: fc.Arbitrary<HumanTaskQuery> = fc
  .record({
    limit,
    namespace: fc.constantFrom('default', 'other'),
    inboxes: fc.array(fc.oneof(humanInbox, fc.constant('all')), { maxLength: 3 }),
    after: optional(fc.record({ rank: fc.constantFrom('1', '2'), runId: run, op: small(3) })),
  })
  .map((it) => given(it) as never)

export const schedulePage: fc.Arbitrary<DueSchedulePage> = fc
  .record({ key: scheduleKey, dueAt: small(2), upToMs: small(2), limit })
  .map(({ key: after, dueAt, ...page }) => ({ ...page, after: { ...after, dueAt } }))

const registryKey = fc.record({
  kind: fc.constantFrom('api-key', 'policy'),
  namespace: fc.constantFrom('', 'ä'),
  id: fc.constantFrom('a', 'ä', '\uffff', '\u{10ffff}'),
})
const registry = fc
  .record({
    key: registryKey,
    revision: small(4),
    changedMs: small(3),
    body: fc.constantFrom(null, '{}', '{"a":1}'),
  })
  .map(({ key: { id, ...key }, ...row }) => registryRow(id, { ...key, ...row }))

const chain = fc.integer({ min: 1, max: 3 })
const auditKey = fc.record({ session: chain, seq: fc.integer({ min: 1, max: 30 }) })
const audit = fc
  .record({
    key: auditKey,
    atMs: small(3),
    namespace: fc.constantFrom('', 'default'),
    personal: fc.constantFrom(null, '{"ip":"::1"}'),
  })
  .map(({ key: { session, seq }, ...row }) => auditRow(session, seq, row))

type AdminRows = Pick<Batch, 'registry' | 'audit' | 'auditHeads' | 'auditErased' | 'auditDropped'>

/** As folding leaves it: one write per key, nothing is changed that the batch inserts, and no list is empty. */
export const adminRows: fc.Arbitrary<AdminRows> = fc
  .record({
    registry: few(registry),
    audit: few(audit),
    auditHeads: fc.array(
      fc.integer({ min: 1, max: 40 }).map((number) => auditHeadRow(number)),
      { maxLength: 1 },
    ),
    auditErased: few(auditKey),
    auditDropped: fc.array(fc.record({ session: chain, upToSeq: small(12) }), { maxLength: 1 }),
  })
  .map((it) => {
    const written = new Set(it.audit.map(({ session }) => session))
    const dropped = it.auditDropped.filter(({ session }) => !written.has(session))
    const isDropped = ({ session, seq }: AuditKey): boolean =>
      dropped.some((drop) => drop.session === session && seq <= drop.upToSeq)
    const isWritten = (key: AuditKey): boolean =>
      it.audit.some(({ session, seq }) => session === key.session && seq === key.seq)
    const erased = it.auditErased.filter((key) => !isDropped(key) && !isWritten(key))
    const rows = {
      registry: firstOfEach(it.registry, ({ kind, namespace, id }) => [kind, namespace, id]),
      audit: it.audit,
      auditHeads: it.auditHeads,
      auditErased: firstOfEach(erased, ({ session, seq }) => [session, seq]),
      auditDropped: dropped,
    }
    return Object.fromEntries(Object.entries(rows).filter((entry) => entry[1].length > 0)) as AdminRows
  })

function firstOfEach<T>(rows: readonly T[], keyOf: (row: T) => unknown): T[] {
  const first = new Map<string, T>()
  for (const row of rows) {
    const key = JSON.stringify(keyOf(row))
    if (!first.has(key)) first.set(key, row)
  }
  return [...first.values()]
}

export interface AdminQueries {
  readonly registry: RegistryQuery
  readonly audit: AuditQuery
  readonly heads: AuditHeadQuery
}

export const adminQueries: fc.Arbitrary<AdminQueries> = fc.record({
  registry: fc
    .record({ limit, after: optional(registryKey), changedFromMs: optional(small(3)) })
    .map((it) => given(it) as never),
  audit: fc
    .record({
      limit,
      after: optional(auditKey),
      session: optional(chain),
      namespace: optional(fc.constantFrom('', 'default')),
      fromMs: optional(small(3)),
      toMs: optional(small(3)),
    })
    .map((it) => given(it) as never),
  heads: fc
    .record({ limit, after: optional(small(40)), newestFirst: optional(fc.boolean()) })
    .map((it) => given(it) as never),
})

export async function adminAnswers(store: Store, { registry, audit, heads }: AdminQueries): Promise<unknown> {
  return [
    await store.registryRows(registry),
    await store.registryMark(),
    await store.auditRows(audit),
    await store.auditSessions(),
    await store.auditHeads(heads),
  ]
}

export const ALL_ADMIN: AdminQueries = {
  registry: { limit: 1_000 },
  audit: { limit: 1_000 },
  heads: { limit: 1_000 },
}
