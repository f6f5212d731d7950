/** `perdure audit list`: what was recorded of calls, in a store or at an engine. */
import type { Static } from 'typebox'
import { isAbout, type OpenedRow, openedRow } from '../../server/audit/opened-row.ts'
import { present } from '../../server/http/present.ts'
import type { auditPage } from '../../server/http/schemas/audit.ts'
import type { AuditKey } from '../../store/contract/audit-rows.ts'
import type { Action } from '../action-command.ts'
import { type CommandCall, STORE_OPTIONS } from '../command.ts'
import { LIST_OPTIONS } from '../given-values.ts'
import { type Field, printPages } from '../printed-rows.ts'
import type { Rest } from '../rest/rest.ts'
import { isoTime, parsedTime, timeText } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'
import { trailOf, withReader } from './audit-source.ts'

const DEFAULT_LIMIT = 100
const PAGE_ROWS = 500

type AuditRow = Static<typeof auditPage>['rows'][number]
/** As it is printed. */
type ListedRow = Omit<AuditRow, 'atMs' | 'policies'> & {
  readonly at: string | null
  readonly policies?: readonly string[]
}

export const listAction: Action = {
  operands: [],
  says: 'what was recorded of calls, in the order of sessions and of their commits',
  looks: true,
  options: {
    ...STORE_OPTIONS,
    since: { value: 'TIME', says: 'at or after TIME: 2h or 30d ago, 2026-08-02' },
    until: { value: 'TIME', says: 'before TIME' },
    person: { value: 'ID', says: 'only calls of this caller, or of who acted on a human task' },
    resource: { value: 'ID', says: 'only calls about this, such as a workflow id' },
    after: { value: 'SESSION/SEQ', says: 'of a store: go on after this row' },
    limit: LIST_OPTIONS.limit,
    cursor: { value: 'CURSOR', says: 'of an engine: go on where the list before ended, which names it' },
  },
  run: async (call) => {
    const rest = trailOf(call)
    const [wrong, right] = rest === undefined ? ['cursor', 'after'] : ['after', 'cursor']
    if (call.options.text(wrong) !== undefined)
      throw new UsageError(
        `--${wrong} is not for ${rest === undefined ? 'a store' : 'an engine'}`,
        `Use --${right}.`,
      )
    await printPages(call, rest === undefined ? storedPages(call) : enginePages(call, rest), {
      fields: FIELDS,
      none: 'Nothing was recorded.',
    })
    return 0
  },
}

async function* enginePages(call: CommandCall, rest: Rest): AsyncGenerator<readonly ListedRow[]> {
  const { namespace, fromMs, toMs, ...about } = filterOf(call)
  const query = present({ ...about, namespace, sinceMs: fromMs, untilMs: toMs })
  for await (const rows of rest.pages<AuditRow>(call, { path: ['audit'], query, isEverywhere: true }, 'rows'))
    yield rows.map(({ session, seq, atMs, ...row }) => ({ session, seq, at: isoTime(atMs), ...row }))
}

async function* storedPages(call: CommandCall): AsyncGenerator<readonly ListedRow[]> {
  const { options, output } = call
  const { person, resource, ...filter } = filterOf(call)
  const about = present({ person, resource })
  let left = options.count('limit', 1) ?? DEFAULT_LIMIT
  const from = placeOf(options.text('after'))
  const rows = await withReader(call, async (reader) => {
    const found: OpenedRow[] = []
    for (let after = from; ; ) {
      const page = await reader.auditRows({ ...filter, ...present({ after }), limit: PAGE_ROWS })
      found.push(...page.map(openedRow).filter((row) => isAbout(row, about)))
      after = page.at(-1)
      if (found.length > left || page.length < PAGE_ROWS) return found
    }
  })
  const shown = rows.slice(0, left)
  left -= shown.length
  yield shown.map(listedRow)
  const last = shown.at(-1)?.row
  if (rows.length > shown.length && last !== undefined)
    output.note(`There are more: go on with --after ${last.session}/${last.seq}`)
}

function listedRow({ row, entry, personal, isErased }: OpenedRow): ListedRow {
  const { atMs, personal: _, ...rest } = entry
  const { session, seq, hash } = row
  return { session, seq, at: isoTime(atMs), ...rest, ...personal, isErased, hash }
}

function filterOf({ options, nowMs }: CommandCall): {
  readonly namespace?: string
  readonly fromMs?: number
  readonly toMs?: number
  readonly person?: string
  readonly resource?: string
} {
  const since = options.text('since')
  const until = options.text('until')
  return present({
    namespace: options.text('namespace'),
    fromMs: since === undefined ? undefined : parsedTime(since, 'since', nowMs),
    toMs: until === undefined ? undefined : parsedTime(until, 'until', nowMs),
    person: options.text('person'),
    resource: options.text('resource'),
  })
}

function placeOf(text: string | undefined): AuditKey | undefined {
  if (text === undefined) return undefined
  const [, session, seq] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  if (session === undefined) throw new UsageError(`--after ${text} is not of the form SESSION/SEQ`)
  return { session: Number(session), seq: Number(seq) }
}

const erased = (isErased: boolean): string => (isErased ? '(erased)' : '')

const FIELDS: readonly Field<ListedRow>[] = [
  { title: 'ROW', optional: 3, of: ({ session, seq }) => `${session}/${seq}` },
  { title: 'TIME', of: ({ at }) => (at === null ? '' : timeText(Date.parse(at))) },
  {
    title: 'WHO',
    leastWidth: 10,
    of: ({ caller, actor, isErased }) =>
      actor === undefined ? (caller ?? erased(isErased)) : `${caller} (${actor})`,
  },
  { title: 'ADDRESS', optional: 2, of: ({ address }) => address },
  { title: 'ACTION', of: ({ action }) => action },
  {
    title: 'ON',
    leastWidth: 12,
    of: ({ type, resource, isErased }) => [type, resource ?? erased(isErased)].join(' ').trim(),
  },
  { title: 'NAMESPACE', optional: 4, of: ({ namespace }) => namespace },
  {
    title: 'RESULT',
    of: ({ result, code, count }) => ({
      text: [result, code, count === undefined ? undefined : `x ${count}`]
        .filter((each) => each !== undefined)
        .join(' '),
      style: result === 'failed' || result === 'denied' ? 'red' : 'dim',
    }),
  },
  { title: 'POLICIES', leastWidth: 8, optional: 1, of: ({ policies = [] }) => policies.join(', ') },
]
