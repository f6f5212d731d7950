/** In batches and timers a schedule stands as a run that does not exist: no run id begins with NUL. */
import type { RunId } from '../../protocol/ids.ts'
import type { ScheduleKey } from '../../store/contract/schedule-rows.ts'

export function scheduleRunOf({ namespace, id }: ScheduleKey): RunId {
  return `\0${namespace}\0${id}` as RunId
}

/** Undefined: it stands for no schedule. */
export function scheduleKeyOf(runId: RunId): ScheduleKey | undefined {
  const [empty, namespace, id] = runId.split('\0')
  return empty === '' && namespace !== undefined && id !== undefined ? { namespace, id } : undefined
}
