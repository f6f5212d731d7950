/**
 * What must hold for the row of a schedule.
 *
 * 1. Its texts are those of a schedule.
 * 2. It is due when its spec and state say so.
 * 3. It waits for an execution exactly if a run of it is buffered; then it knows a run that was open.
 */
import { dueMs, type ScheduleState } from '../../core/schedule/schedule-state.ts'
import { timesOf } from '../../core/schedule/schedule-times.ts'
import { nextCronTime } from '../../platform/cron-times.ts'
import type { ScheduleSpec } from '../../protocol/schedule-port.ts'
import type { ScheduleRow } from '../../store/contract/schedule-rows.ts'
import type { Finding } from './finding.ts'

export function auditSchedule(row: ScheduleRow): Finding[] {
  const findings: Finding[] = []
  const scheduleId = row.id
  const read = textsOf(row)
  if (read === undefined)
    return [
      { code: 'schedule-unreadable', detail: 'its spec or its state is not that of a schedule', scheduleId },
    ]
  const { state, due } = read
  const report = (detail: string): void => void findings.push({ code: 'schedule-row', detail, scheduleId })
  if (row.dueAt !== due) report(`it is due at ${row.dueAt}, and should be at ${due}`)
  const isBuffered = state.buffered !== undefined
  if (row.waits !== isBuffered)
    report(isBuffered ? 'a run is buffered, and its row does not wait' : 'it waits, and no run is buffered')
  if (isBuffered && state.running.length === 0) report('a run is buffered, and no other one was open')
  return findings
}

function textsOf(
  row: ScheduleRow,
): { readonly state: ScheduleState; readonly due: number | null } | undefined {
  try {
    const spec = JSON.parse(row.spec) as ScheduleSpec
    const state = JSON.parse(row.state) as ScheduleState
    const { started, skipped, missed } = state.counts
    const areNumbers = [state.createdMs, started, skipped, missed].every(Number.isFinite)
    const areLists = [state.running, state.recent, state.backfills].every(Array.isArray)
    if (!areNumbers || !areLists || typeof spec.start.workflow !== 'string') return undefined
    return { state, due: dueMs(state, timesOf(row.id, spec, nextCronTime)) }
  } catch {
    return undefined
  }
}
