/**
 * What must hold for the row of settings that were changed at run time.
 *
 * 1. Its text is that of settings, and names only those that there are.
 * 2. Its revision is 1 or more.
 * 3. It has a reason and a time of its pause exactly if it says that the queue is paused.
 */
import type { QueueSetting } from '../../engine/tasks/queue-settings-desk.ts'
import { QUEUE_SETTING_NAMES } from '../../protocol/queue-settings.ts'
import type { QueueSettingRow } from '../../store/contract/queue-setting-rows.ts'
import type { Finding } from './finding.ts'

export function auditQueueSetting({ queue, revision, setting }: QueueSettingRow): Finding[] {
  const findings: Finding[] = []
  const report = (detail: string): void => void findings.push({ code: 'queue-setting', detail, queue })
  if (!Number.isSafeInteger(revision) || revision < 1) report(`its revision is ${revision}`)
  const read = settingOf(setting)
  if (read === undefined) {
    report('its text is not that of settings')
    return findings
  }
  const names: readonly string[] = QUEUE_SETTING_NAMES
  for (const name of Object.keys(read.overrides))
    if (!names.includes(name)) report(`it sets '${name}', which is no setting`)
  const isPaused = read.overrides.paused === true
  if (isPaused !== (read.pause !== undefined))
    report(isPaused ? 'it is paused without a reason' : 'it has a reason for a pause, and is not paused')
  return findings
}

function settingOf(text: string): QueueSetting | undefined {
  try {
    const { overrides, changedMs, move, pause } = JSON.parse(text) as QueueSetting
    const isObject = typeof overrides === 'object' && overrides !== null && !Array.isArray(overrides)
    const areTimes = [changedMs, move ?? 0, pause?.atMs ?? 0].every(Number.isFinite)
    if (!isObject || !areTimes) return undefined
    return pause === undefined ? { overrides, changedMs } : { overrides, changedMs, pause }
  } catch {
    return undefined
  }
}
