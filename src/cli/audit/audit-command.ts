/** `perdure audit`: what was recorded of calls; its export, and whether it is whole. */
import { createReadStream, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SignedHead } from '../../protocol/audit.ts'
import { auditItems } from '../../server/audit/audit-item.ts'
import { EXPORT_HEADER, headOf, LinesReader, lineOf } from '../../server/audit/audit-lines.ts'
import { type AuditReport, AuditVerification } from '../../server/audit/audit-verification.ts'
import { isAbout, type OpenedRow, openedRow } from '../../server/audit/opened-row.ts'
import { publicKeys } from '../../server/audit/signing-key.ts'
import type { AuditKey } from '../../store/contract/audit-rows.ts'
import type { StoreReader } from '../../store/contract/store-reader.ts'
import { COMMON_OPTIONS, type Command, type CommandCall, STORE_OPTIONS } from '../command.ts'
import { printable } from '../display-width.ts'
import { openStoreReader, requireRows } from '../store-option.ts'
import { type Cell, type Column, Table } from '../table.ts'
import { isoTime, parsedTime, timeText } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'

const ACTIONS = ['list', 'heads', 'export', 'verify'] as const
const DEFAULT_LIMIT = 100
const PAGE_ROWS = 500
const KEY_REMEDY =
  'The engine writes it beside the key that signs, as FILE.pub. --unsigned goes without: then heads may be anybody’s.'

export const auditCommand: Command = {
  name: 'audit',
  summary: 'Lists what was recorded of calls, exports it, and verifies that nobody has changed it.',
  operands: ['[ACTION]', '[FILE]'],
  words: ACTIONS,
  options: {
    ...STORE_OPTIONS,
    namespace: { value: 'NAME', says: 'list: only this namespace; default: all' },
    since: { value: 'TIME', says: 'list: at or after TIME: 2h or 30d ago, 2026-08-02' },
    until: { value: 'TIME', says: 'list: before TIME' },
    person: { value: 'ID', says: 'list: only calls of this caller, or of who acted on a human task' },
    resource: { value: 'ID', says: 'list: only calls about this, such as a workflow id' },
    after: { value: 'SESSION/SEQ', says: 'list: go on after this row' },
    limit: { value: 'N', says: `list, heads: at most N; default ${DEFAULT_LIMIT}` },
    'public-key': { value: 'FILE', says: 'verify: PEM of the keys that sign; needed' },
    head: {
      value: 'FILE',
      says: 'verify: a head that `audit heads --json` has printed, and was kept elsewhere',
    },
    unsigned: { says: 'verify: without a look at signatures' },
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure audit --store sqlite:./orders.db --since 1d', says: 'who did what since yesterday' },
    {
      line: 'perdure audit heads --limit 1 --json > head.json',
      says: 'the newest signed head, to be kept elsewhere',
    },
    { line: 'perdure audit export > audit.jsonl', says: 'all of it, as JSON lines' },
    {
      line: 'perdure audit verify audit.jsonl --public-key audit-key.pem.pub --head head.json',
      says: 'of a file; without a file of a store',
    },
  ],
  run: runAudit,
}

async function runAudit(call: CommandCall): Promise<number> {
  const [action = 'list', file] = call.operands
  const known = ACTIONS.find((each) => each === action)
  if (known === undefined)
    throw new UsageError(
      `'${action}' is nothing to do with the audit trail`,
      `There are ${ACTIONS.join(', ')}.`,
    )
  if (file !== undefined && known !== 'verify') throw new UsageError(`${known} takes no file`)
  if (known === 'verify') return verify(call, file)
  await withReader(call, async (reader) => {
    if (known === 'list') await list(call, reader)
    else if (known === 'heads') await heads(call, reader)
    else await exportAll(call, reader)
  })
  return 0
}

async function withReader<T>(call: CommandCall, use: (reader: StoreReader) => Promise<T>): Promise<T> {
  const reader = await openStoreReader(call)
  try {
    requireRows(reader, 'audit')
    return await use(reader)
  } finally {
    await reader.close()
  }
}

async function exportAll({ output }: CommandCall, reader: StoreReader): Promise<void> {
  output.line(EXPORT_HEADER)
  for await (const item of auditItems(reader)) {
    output.line(lineOf(item))
    await output.flushed()
  }
}

async function heads(call: CommandCall, reader: StoreReader): Promise<void> {
  const { options, output } = call
  const limit = options.count('limit', 1) ?? DEFAULT_LIMIT
  const found = await reader.auditHeads({ newestFirst: true, limit })
  if (options.flag('json')) {
    for (const head of found) output.line(lineOf({ kind: 'head', head }))
    return
  }
  if (found.length === 0) output.note('No signed heads.')
  else {
    const rows = found.map(({ number, atMs, keyId }): Cell[] => [String(number), timeText(atMs), keyId])
    printTable(call, [{ title: 'HEAD', align: 'right' }, { title: 'SIGNED' }, { title: 'KEY' }], rows)
  }
}

async function verify(call: CommandCall, file: string | undefined): Promise<number> {
  const { options, directory, output } = call
  const keyFile = options.text('public-key')
  if (keyFile === undefined && !options.flag('unsigned'))
    throw new UsageError('--public-key is missing', KEY_REMEDY)
  const keys = keyFile === undefined ? undefined : publicKeys(resolve(directory, keyFile))
  const kept = options.text('head')
  const exported = kept === undefined ? undefined : keptHead(resolve(directory, kept))
  const verification = new AuditVerification({ keys })
  if (file !== undefined) await readLines(resolve(directory, file), verification)
  else
    await withReader(call, async (reader) => {
      for await (const item of auditItems(reader)) verification.take(item)
    })
  const report = verification.finish(exported)
  if (options.flag('json')) output.line(JSON.stringify({ ...report, signatures: keys !== undefined }))
  else tell(call, report, keys !== undefined)
  return report.isWhole ? 0 : 1
}

async function readLines(file: string, verification: AuditVerification): Promise<void> {
  const reader = new LinesReader(verification)
  for await (const chunk of createReadStream(file, 'utf8')) reader.take(String(chunk))
  reader.end()
}

function keptHead(file: string): SignedHead {
  const [line = ''] = readFileSync(file, 'utf8').split('\n')
  const head = headOf(line)
  if (head === undefined)
    throw new UsageError(
      `${file} has no signed head in its first line`,
      'perdure audit heads --limit 1 --json',
    )
  return head
}

function tell({ output }: CommandCall, report: AuditReport, isSigned: boolean): void {
  const { rows, chains, newest, unsigned, erased, findings, found } = report
  for (const { detail, session, seq, head } of findings) {
    const where =
      session === undefined ? (head === undefined ? '' : `head ${head}: `) : `row ${session}/${seq}: `
    output.line(printable(`${where}${detail}`))
  }
  if (found > findings.length) output.line(`and ${found - findings.length} more`)
  output.line(
    report.isWhole
      ? `The trail is whole: ${rows} rows in ${chains} ${chains === 1 ? 'chain' : 'chains'}.`
      : `The trail was changed: ${found} findings in ${rows} rows.`,
  )
  if (newest === undefined)
    output.line('No head is signed: nothing shows whether rows at the end were cut off.')
  else
    output.line(
      `Head ${newest.number}, of ${isoTime(newest.atMs)}, is the newest. ${unsigned} rows came after.`,
    )
  if (erased > 0) output.line(`Of ${erased} rows it was erased who called.`)
  if (!isSigned) output.note('Signatures were not looked at.')
}

async function list(call: CommandCall, reader: StoreReader): Promise<void> {
  const { options, output } = call
  const limit = options.count('limit', 1) ?? DEFAULT_LIMIT
  const person = options.text('person')
  const resource = options.text('resource')
  const about = {
    ...(person === undefined ? {} : { person }),
    ...(resource === undefined ? {} : { resource }),
  }
  const found: OpenedRow[] = []
  for (let after = placeOf(options.text('after')); ; ) {
    const rows = await reader.auditRows({
      ...filterOf(call),
      ...(after === undefined ? {} : { after }),
      limit: PAGE_ROWS,
    })
    found.push(...rows.map(openedRow).filter((row) => isAbout(row, about)))
    after = rows.at(-1)
    if (found.length > limit || rows.length < PAGE_ROWS) break
  }
  const shown = found.slice(0, limit)
  if (options.flag('json')) for (const each of shown) output.line(JSON.stringify(jsonOf(each)))
  else if (shown.length > 0) printTable(call, COLUMNS, shown.map(cellsOf))
  else output.note('Nothing was recorded.')
  const last = shown.at(-1)?.row
  if (found.length > limit && last !== undefined)
    output.note(`There are more: go on with --after ${last.session}/${last.seq}`)
}

function filterOf({ options, nowMs }: CommandCall): { namespace?: string; fromMs?: number; toMs?: number } {
  const namespace = options.text('namespace')
  const since = options.text('since')
  const until = options.text('until')
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(since === undefined ? {} : { fromMs: parsedTime(since, 'since', nowMs) }),
    ...(until === undefined ? {} : { toMs: parsedTime(until, 'until', nowMs) }),
  }
}

function placeOf(text: string | undefined): AuditKey | undefined {
  if (text === undefined) return undefined
  const [, session, seq] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  if (session === undefined) throw new UsageError(`--after ${text} is not of the form SESSION/SEQ`)
  return { session: Number(session), seq: Number(seq) }
}

function jsonOf({ row, entry, personal, isErased }: OpenedRow): Record<string, unknown> {
  const { atMs, personal: _, ...rest } = entry
  const { session, seq, hash } = row
  return { session, seq, at: isoTime(atMs), ...rest, ...personal, isErased, hash }
}

const COLUMNS: readonly Column[] = [
  { title: 'ROW', optional: 3 },
  { title: 'TIME' },
  { title: 'WHO', leastWidth: 10 },
  { title: 'ADDRESS', optional: 2 },
  { title: 'ACTION' },
  { title: 'ON', leastWidth: 12 },
  { title: 'NAMESPACE', optional: 4 },
  { title: 'RESULT' },
  { title: 'POLICIES', leastWidth: 8, optional: 1 },
]

function cellsOf({ row, entry, personal, isErased }: OpenedRow): Cell[] {
  const { action, type, result, code, count, policies = [], namespace } = entry
  const erased = isErased ? '(erased)' : ''
  const who =
    personal?.actor === undefined ? (personal?.caller ?? erased) : `${personal.caller} (${personal.actor})`
  const of = [result, code, count === undefined ? undefined : `x ${count}`].filter(
    (each) => each !== undefined,
  )
  return [
    `${row.session}/${row.seq}`,
    timeText(row.atMs),
    printable(who),
    printable(personal?.address ?? ''),
    printable(action),
    printable([type, personal?.resource ?? erased].join(' ').trim()),
    printable(namespace),
    { text: of.join(' '), style: result === 'failed' || result === 'denied' ? 'red' : 'dim' },
    printable(policies.join(', ')),
  ]
}

function printTable({ output }: CommandCall, columns: readonly Column[], rows: readonly Cell[][]): void {
  const table = new Table(columns, rows, output)
  output.line(table.header())
  for (const cells of rows) output.line(table.row(cells))
}
