/** `perdure show ID`: all that is known of one execution, and what to do about it. */
import { failureOfTerminal } from '../core/execution/closing.ts'
import type { ExecutionState } from '../core/execution/state.ts'
import { isClosed } from '../protocol/execution-status.ts'
import type { Failure } from '../protocol/failure.ts'
import type { Payload } from '../protocol/payload.ts'
import { COMMON_OPTIONS, type Command, type CommandCall, STORE_OPTIONS } from './command.ts'
import { DECRYPT_OPTIONS, decryptionOf } from './decryption.ts'
import { clip, printable, wrap } from './display-width.ts'
import { ENGINE_OPTIONS } from './engine-choice.ts'
import { adviceFor } from './execution-advice.ts'
import { EXECUTION_OPTIONS, type ReplayedExecution, replayExecution } from './execution-rows.ts'
import { withExecutionSource } from './executions/execution-source.ts'
import { failureGlance, failureLines } from './failure-text.ts'
import { summaryJson } from './list-command.ts'
import { payloadJson, payloadLines } from './payload-text.ts'
import { type PendingLine, pendingOperations } from './pending-operations.ts'
import { statusCell } from './status-style.ts'
import { Table } from './table.ts'
import { durationText, isoTime, relativeText, timeText } from './time-text.ts'

export const showCommand: Command = {
  name: 'show',
  summary:
    'Shows one execution: summary, attributes, what it waits for, failure, input and result, and what to do.',
  operands: ['ID'],
  options: {
    ...STORE_OPTIONS,
    ...ENGINE_OPTIONS,
    ...EXECUTION_OPTIONS,
    full: { says: 'input, result and failure in full length' },
    ...DECRYPT_OPTIONS,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure show order-17', says: 'the newest run' },
    { line: 'perdure show order-17 --full --store sqlite:./orders.db', says: 'nothing is cut' },
    { line: 'perdure show order-17 --json | jq .pending', says: 'for programs' },
    { line: 'perdure show order-17 --decrypt keys/2026.pem', says: 'encrypted payloads too' },
  ],
  run: runShow,
}

interface Shown extends ReplayedExecution {
  readonly pending: readonly PendingLine[]
  readonly advice: readonly string[]
}

async function runShow(call: CommandCall): Promise<number> {
  const decryption = await decryptionOf(call)
  try {
    await withExecutionSource(call, async (source) => {
      const row = await source.find()
      const { state, started } = await replayExecution(row, source.events(row, 0), decryption)
      const pending = pendingOperations(state, await source.timers(row))
      const isEngineRunning = await source.isEngineRunning()
      const advice = adviceFor({ state, pending, isEngineRunning, nowMs: call.nowMs })
      const shown = { state, started, pending, advice }
      if (call.options.flag('json')) {
        call.output.line(
          JSON.stringify({ ...summaryJson({ ...row, ...ofJournal(state) }), ...detailsJson(shown) }),
        )
      } else print(call, shown)
      await call.output.flushed()
    })
    return 0
  } finally {
    await decryption?.close()
  }
}

/** The journal was read after the summary: what it says is newer. */
function ofJournal({ status, closedAt, attributes }: ExecutionState) {
  return { status, closedAt, attributes }
}

function print(call: CommandCall, { state, started, pending, advice }: Shown): void {
  const { output } = call
  const full = call.options.flag('full')
  const section = (title: string, lines: readonly string[]): void => {
    if (lines.length === 0) return
    output.line('')
    output.line(output.paint('bold', title))
    for (const line of lines) output.line(`  ${full ? line : clip(line, output.width - 2)}`)
  }
  const status = statusCell(state.status)
  output.line(output.paint('bold', printable(state.key.workflowId)))
  for (const [name, text] of summaryLines(call, { state, started, pending, advice }))
    output.line(
      `  ${name.padEnd(10)}  ${name === 'status' ? output.paint(status.style, text) : printable(text)}`,
    )
  section(
    'Attributes',
    Object.entries(state.attributes ?? {}).map(([name, value]) =>
      printable(`${name} = ${JSON.stringify(value)}`),
    ),
  )
  section('Pending', pendingTable(call, pending))
  section('Signals received, consumed or not', signalLines(state))
  const failure = failureIn(state)
  if (failure !== undefined) {
    const lines = failureLines(failure, full).flatMap((line) => wrap(line, output.width - 2))
    section(state.status === 'parked' ? 'Parked because' : 'Failure', lines)
  }
  const lines = (payload: Payload): string[] => payloadLines(payload, output.width - 2, full)
  section('Input', lines(started.input))
  if (state.terminal?.type === 'execution-completed') section('Result', lines(state.terminal.result))
  if (advice.length === 0) return
  output.line('')
  output.line(output.paint('bold', 'What to do'))
  for (const each of advice) output.paragraph(each, '  ')
}

function summaryLines({ nowMs }: CommandCall, { state, started }: Shown): [string, string][] {
  const { key, runId, workflow, version, closedAt, startedAt, parent, terminal } = state
  const end = closedAt ?? nowMs
  const lines: [string, string][] = [
    ['status', state.status],
    ['workflow', `${workflow} version ${version}`],
    ['namespace', key.namespace],
    ['run', runId],
    ['started', `${timeText(startedAt)} (${relativeText(startedAt, nowMs)})`],
  ]
  if (closedAt !== null) lines.push(['ended', `${timeText(closedAt)} (${relativeText(closedAt, nowMs)})`])
  lines.push([closedAt === null ? 'open for' : 'took', durationText(Math.max(0, end - startedAt))])
  lines.push(['events', String(state.seq)])
  if (parent !== undefined) lines.push(['parent', `${parent.key.workflowId} (run ${parent.runId})`])
  if (started.continuedFrom !== undefined) lines.push(['continues', `run ${started.continuedFrom}`])
  if (terminal?.type === 'execution-continued') lines.push(['goes on in', `run ${terminal.newRunId}`])
  if (state.cancelReason !== undefined && !isClosed(state.status))
    lines.push(['cancelling', state.cancelReason])
  return lines
}

function pendingTable({ output, nowMs }: CommandCall, pending: readonly PendingLine[]): string[] {
  if (pending.length === 0) return []
  const rows = pending.map((line) => [
    line.op === undefined ? '' : `#${line.op}`,
    line.kind,
    printable(line.name),
    printable(pendingText(line, nowMs)),
  ])
  const columns = [
    { title: 'OP', align: 'right' as const },
    { title: 'KIND' },
    { title: 'NAME', leastWidth: 10 },
    { title: 'STATE', leastWidth: 20 },
  ]
  const table = new Table(columns, rows, { width: output.width - 2, paint: output.paint })
  return [table.header(), ...rows.map((row) => table.row(row))]
}

function pendingText(
  { kind, dueAt, child, failedAttempts, lastFailure }: PendingLine,
  nowMs: number,
): string {
  const due = dueAt === undefined ? '' : `${timeText(dueAt)}, ${relativeText(dueAt, nowMs)}`
  if (child !== undefined) return `open: ${child.id}`
  if (kind !== 'step') return `due ${due}`
  const next = dueAt === undefined ? 'is being attempted again' : `next ${due}`
  const why = lastFailure === undefined ? '' : `: ${failureGlance(lastFailure)}`
  return `attempt ${failedAttempts} failed, ${next}${why}`
}

/** What the code has consumed is not journaled: replay consumes it again. */
function signalLines(state: ExecutionState): string[] {
  if (isClosed(state.status)) return []
  const counts = new Map<string, number>()
  for (const { name } of state.signals?.values() ?? []) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].map(([name, count]) => printable(`${name}: ${count}`))
}

function failureIn({ terminal, parkedFailure }: ExecutionState): Failure | undefined {
  if (terminal === undefined) return parkedFailure
  if (terminal.type === 'execution-completed' || terminal.type === 'execution-continued') return undefined
  return failureOfTerminal(terminal)
}

function detailsJson({ state, started, pending, advice }: Shown): Record<string, unknown> {
  const { terminal, parent } = state
  return {
    events: state.seq,
    parent: parent === undefined ? null : { id: parent.key.workflowId, runId: parent.runId, op: parent.op },
    continuedFrom: started.continuedFrom ?? null,
    continuedIn: terminal?.type === 'execution-continued' ? terminal.newRunId : null,
    cancelReason: state.cancelReason ?? null,
    pending: pending.map(({ dueAt, ...rest }) =>
      dueAt === undefined ? rest : { ...rest, dueAt: isoTime(dueAt) },
    ),
    signals: isClosed(state.status)
      ? []
      : [...(state.signals ?? [])].map(([seq, { name, payload }]) => ({
          seq,
          name,
          payload: payloadJson(payload),
        })),
    failure: failureIn(state) ?? null,
    input: payloadJson(started.input),
    result: terminal?.type === 'execution-completed' ? payloadJson(terminal.result) : null,
    advice,
  }
}
