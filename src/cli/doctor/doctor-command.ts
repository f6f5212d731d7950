/** `perdure doctor`: is everything in order, and what to do where it is not. */
import { relative, resolve } from 'node:path'
import { isPostgresUrl } from '../../store/postgres/postgres-url.ts'
import { COMMON_OPTIONS, type Command, type CommandCall, STORE_OPTIONS } from '../command.ts'
import { counted } from '../counted.ts'
import { type Style, wrap } from '../display-width.ts'
import { namedStore, storeFileOf } from '../store-option.ts'
import { TLS_OPTIONS } from '../tls-options.ts'
import { UsageError } from '../usage-error.ts'
import { AuditProgress } from './audit-progress.ts'
import { type Check, note, ok, problem } from './check.ts'
import { certificateChecks, fileChecks, nodeCheck, sqliteCheck } from './environment-checks.ts'
import type { FileAudit } from './file-audit.ts'
import { FINDING_ADVICE, type Finding, type FindingCode } from './finding.ts'

export const doctorCommand: Command = {
  name: 'doctor',
  summary:
    'Checks Node, the file or the PostgreSQL database, its schema and every journal in it, and says what to do. Reads only, also while engines run. Exit code 1 if it finds a problem.',
  operands: ['[FILE]'],
  options: {
    ...STORE_OPTIONS,
    quick: {
      says: "of a file: SQLite's quick_check instead of integrity_check, which also reads the indexes",
    },
    ...TLS_OPTIONS,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure doctor ./orders.db', says: 'the file is named' },
    { line: 'perdure doctor --store sqlite:./orders.db --quick', says: 'faster on a large file' },
    { line: 'perdure doctor --store postgres://app@db1/orders', says: 'a database, while its nodes run' },
    { line: 'perdure doctor --json | jq .findings', says: 'for programs' },
  ],
  run: runDoctor,
}

interface Diagnosis {
  /** Of a file its path, of a database its URL without a password. */
  readonly place: { readonly file: string } | { readonly database: string }
  readonly checks: readonly Check[]
  readonly audit: FileAudit | undefined
}

async function runDoctor(call: CommandCall): Promise<number> {
  const url = databaseOf(call)
  const diagnosis = url === undefined ? await diagnosedFile(call) : await diagnosedDatabase(call, url)
  if (call.options.flag('json')) call.output.line(JSON.stringify(jsonOf(diagnosis)))
  else print(call, diagnosis)
  await call.output.flushed()
  return isFine(diagnosis) ? 0 : 1
}

async function diagnosedDatabase(call: CommandCall, url: string): Promise<Diagnosis> {
  const node = nodeCheck(process.versions.node)
  const { examineDatabase } = await import('./examine-database.ts')
  const { name, checks, audit } = await examineDatabase(call, url)
  const found = audit === undefined ? [] : auditChecks(audit)
  const all = [node, ...certificateChecks(call), ...checks, ...found]
  return { place: { database: name }, checks: all, audit }
}

async function diagnosedFile(call: CommandCall): Promise<Diagnosis> {
  const file = fileOf(call)
  const inside = relative(call.directory, file)
  const shown = inside.startsWith('..') ? file : inside
  const environment = [nodeCheck(process.versions.node), await sqliteCheck(), ...certificateChecks(call)]
  const checks: Check[] = [...environment, ...fileChecks(file, shown)]
  const isReadable = checks.every(
    ({ name, level }) => level !== 'problem' || name === 'disk' || name === 'certificates',
  )
  const audit = isReadable ? await examineStore(call, file, checks) : undefined
  const found = audit === undefined ? [] : auditChecks(audit)
  return { place: { file }, checks: [...checks, ...found], audit }
}

function databaseOf(call: CommandCall): string | undefined {
  const [operand] = call.operands
  const named = operand ?? namedStore(call)
  if (named === undefined || !isPostgresUrl(named)) return undefined
  if (operand !== undefined && call.options.text('store') !== undefined)
    throw new UsageError('the store is named twice', 'Use either an operand or --store.')
  if (call.options.flag('quick'))
    throw new UsageError('--quick is for files', 'Leave it out: rows of a database are always all read.')
  return named
}

function fileOf(call: CommandCall): string {
  const [operand] = call.operands
  if (operand === undefined) return storeFileOf(call)
  if (call.options.text('store') !== undefined)
    throw new UsageError('the file is named twice', 'Use either FILE or --store.')
  return resolve(call.directory, operand.startsWith('sqlite:') ? operand.slice('sqlite:'.length) : operand)
}

/** Adds its checks to the list; the audit is undefined if the file cannot be read as a store. */
async function examineStore(
  call: CommandCall,
  file: string,
  checks: Check[],
): Promise<FileAudit | undefined> {
  const { openForTool } = await import('../../store/sqlite/tool-connection.ts')
  const store = await import('./store-checks.ts')
  const { auditStore } = await import('./file-audit.ts')
  const { StoreRows } = await import('./store-rows.ts')
  const { nowMs, output, options } = call
  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort(new Error('interrupted'))
  let connection: ReturnType<typeof openForTool> | undefined
  const progress = new AuditProgress(output)
  try {
    connection = openForTool(file)
    const { database } = connection
    const schema = store.schemaCheck(database, file)
    checks.push(schema)
    if (schema.level === 'problem') return undefined
    if (!connection.isUnchanging) checks.push(store.journalModeCheck(database))
    const rows = new StoreRows(database)
    const session = rows.sessions().at(-1)
    checks.push(store.engineCheck(file, session, nowMs))
    checks.push(store.clockCheck(rows.clockFloor(), nowMs))
    checks.push(...store.sizeCheck(database, file))
    checks.push(store.integrityCheck(database, options.flag('quick')))
    // From here on an interruption is heard soon; before, SQLite may read for minutes, and the default ends it at once.
    process.once('SIGINT', interrupt)
    const isRunning = checks.some(({ name, level }) => name === 'engine' && level === 'ok')
    const since = isRunning && session !== undefined ? { engineSinceMs: session.heartbeatAt } : {}
    const onProgress = progress.update
    return await auditStore(rows, { onProgress, nowMs, signal: interruption.signal, ...since })
  } catch (error) {
    if (interruption.signal.aborted) throw error
    checks.push(store.unreadable('store', error))
    return undefined
  } finally {
    progress.clear()
    process.off('SIGINT', interrupt)
    connection?.close()
  }
}

function isFine({ checks, audit }: Diagnosis): boolean {
  return audit !== undefined && checks.every(({ level }) => level !== 'problem')
}

const STYLES: Readonly<Record<Check['level'], Style>> = { ok: 'green', note: 'yellow', problem: 'red' }

function print(call: CommandCall, diagnosis: Diagnosis): void {
  const { output } = call
  const { checks, audit } = diagnosis
  const nameWidth = Math.max(...checks.map(({ name }) => name.length))
  for (const { name, level, says, advice } of checks) {
    const indent = ' '.repeat('problem'.length + nameWidth + 4)
    const [first = '', ...rest] = wrap(says, Math.max(20, output.width - indent.length))
    output.line(
      `${output.paint(STYLES[level], level.padEnd('problem'.length))}  ${name.padEnd(nameWidth)}  ${first}`,
    )
    for (const line of rest) output.line(indent + line)
    if (advice !== undefined) output.paragraph(advice, indent, '→ ')
  }
  if (audit !== undefined) for (const group of groupsOf(audit.findings)) printFindings(call, group)
  output.line('')
  const problems = checks.filter(({ level }) => level === 'problem').length
  output.line(problems === 0 ? 'Everything is in order.' : `${counted(problems, 'problem')} found.`)
}

type Group = readonly [code: FindingCode, findings: readonly Finding[]]

function groupsOf(findings: readonly Finding[]): Group[] {
  const groups = new Map<FindingCode, Finding[]>()
  for (const finding of findings) {
    const group = groups.get(finding.code)
    if (group === undefined) groups.set(finding.code, [finding])
    else group.push(finding)
  }
  return [...groups]
}

function printFindings({ output }: CommandCall, [code, findings]: Group): void {
  output.line('')
  output.line(output.paint('bold', code))
  for (const { taskId, scheduleId, queue, workflowId, runId, seq, detail } of findings) {
    const place = [
      taskId === undefined ? undefined : `task ${taskId}`,
      scheduleId === undefined ? undefined : `schedule ${scheduleId}`,
      queue === undefined ? undefined : `queue ${queue}`,
      workflowId,
      runId === undefined ? undefined : `run ${runId}`,
      seq === undefined ? undefined : `event ${seq}`,
    ]
    const where = place.filter((each) => each !== undefined).join(', ')
    output.paragraph(where === '' ? detail : `${where}: ${detail}`, '  ')
  }
  output.paragraph(FINDING_ADVICE[code], '  ', '→ ')
}

function auditChecks({
  counts,
  findingCount,
  taskFindingCount,
  scheduleFindingCount,
  queueFindingCount,
  inboxFindingCount,
  registryFindingCount,
  auditFindingCount,
  findings,
}: FileAudit): Check[] {
  const journalCount =
    findingCount -
    taskFindingCount -
    scheduleFindingCount -
    queueFindingCount -
    inboxFindingCount -
    registryFindingCount -
    auditFindingCount
  const told = (count: number, kept: number): string =>
    `${counted(count, 'finding')}${count > kept ? `, of which ${kept} are shown` : ''}`
  const keptOfTasks = findings.filter(({ taskId }) => taskId !== undefined).length
  const keptOfSchedules = findings.filter(({ scheduleId }) => scheduleId !== undefined).length
  const keptOfQueues = findings.filter(({ queue }) => queue !== undefined).length
  const keptOfInboxes = findings.filter(({ code }) => code.startsWith('inbox-')).length
  const keptOfRegistry = findings.filter(({ code }) => code.startsWith('registry-')).length
  const keptOfAudit = findings.filter(({ code }) => code.startsWith('audit-')).length
  const keptOfOthers =
    keptOfTasks + keptOfSchedules + keptOfQueues + keptOfInboxes + keptOfRegistry + keptOfAudit
  const { executions, byStatus, events, entries, timers, messages } = counts
  const statuses = Object.entries(byStatus).map(([status, count]) => `${count} ${status}`)
  const total = `${counted(executions, 'execution')}${statuses.length === 0 ? '' : ` (${statuses.join(', ')})`}`
  const size = `${counted(events, 'event')} in ${counted(entries, 'journal row')}, ${counted(timers, 'timer')}`
  const checks: Check[] = [ok('contents', `${total}, ${size}`)]
  if (journalCount === 0)
    checks.push(ok('journals', 'every journal is whole, and gives its summary when it is replayed'))
  else
    checks.push(
      problem('journals', told(journalCount, findings.length - keptOfOthers), 'See the findings below.'),
    )
  checks.push(...taskChecks(counts, taskFindingCount === 0 ? '' : told(taskFindingCount, keptOfTasks)))
  if (scheduleFindingCount > 0)
    checks.push(problem('schedules', told(scheduleFindingCount, keptOfSchedules), 'See the findings below.'))
  else if (counts.schedules > 0)
    checks.push(ok('schedules', `${counted(counts.schedules, 'schedule')}, every row as it should be`))
  if (queueFindingCount > 0)
    checks.push(problem('queues', told(queueFindingCount, keptOfQueues), 'See the findings below.'))
  else if (counts.queueSettings > 0)
    checks.push(
      ok('queues', `settings of ${counted(counts.queueSettings, 'queue')}, every row as it should be`),
    )
  if (inboxFindingCount > 0)
    checks.push(problem('inboxes', told(inboxFindingCount, keptOfInboxes), 'See the findings below.'))
  else if (counts.humanTasks > 0)
    checks.push(ok('inboxes', `${counted(counts.humanTasks, 'open human task')}, every row as it should be`))
  checks.push(
    ...adminChecks(counts, {
      registry: registryFindingCount === 0 ? '' : told(registryFindingCount, keptOfRegistry),
      audit: auditFindingCount === 0 ? '' : told(auditFindingCount, keptOfAudit),
    }),
  )
  if (messages > 0)
    checks.push(
      note(
        'messages',
        `messages between executions that wait: ${messages}`,
        'The engine delivers them when it runs.',
      ),
    )
  const parked = byStatus.parked ?? 0
  if (parked > 0)
    checks.push(
      note(
        'parked',
        `${counted(parked, 'execution')} parked`,
        'perdure list --status parked, then perdure show ID, says why.',
      ),
    )
  return checks
}

/** Empty texts: nothing was found. */
function adminChecks(
  { registryEntries, auditRows }: FileAudit['counts'],
  findings: { readonly registry: string; readonly audit: string },
): Check[] {
  const checks: Check[] = []
  if (findings.registry !== '') checks.push(problem('registry', findings.registry, 'See the findings below.'))
  else if (registryEntries > 0)
    checks.push(
      ok('registry', `${counted(registryEntries, 'administrative object')}, every row as it should be`),
    )
  if (findings.audit !== '') checks.push(problem('audit', findings.audit, 'See the findings below.'))
  else if (auditRows > 0) checks.push(ok('audit', `${counted(auditRows, 'row')}, no chain has a gap`))
  return checks
}

function taskChecks({ tasks, tasksByStatus }: FileAudit['counts'], findings: string): Check[] {
  if (findings !== '') return [problem('tasks', findings, 'See the findings below.')]
  if (tasks === 0) return []
  const statuses = Object.entries(tasksByStatus).map(([status, count]) => `${count} ${status}`)
  return [ok('tasks', `${counted(tasks, 'task')} (${statuses.join(', ')}), every row as it should be`)]
}

function jsonOf(diagnosis: Diagnosis): Record<string, unknown> {
  const { place, checks, audit } = diagnosis
  return {
    ok: isFine(diagnosis),
    ...place,
    checks,
    counts: audit?.counts ?? null,
    findingCount: audit?.findingCount ?? null,
    findings: (audit?.findings ?? []).map((finding) => ({
      ...finding,
      advice: FINDING_ADVICE[finding.code],
    })),
  }
}
