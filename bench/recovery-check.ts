/** Reads a file and the logs of its processes, without the engine: what was recorded, what ran again, what is lost. */
import { existsSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { storeFile } from './lanes.ts'
import { logFile, RECOVERY_STEPS } from './recovery-run.ts'

export interface KilledState {
  /** Ids of open executions. */
  readonly openIds: readonly string[]
  /** `id operation` of each recorded step. */
  readonly recorded: ReadonlySet<string>
  /** Steps of open executions that are not recorded. */
  readonly stepsLeft: number
}

export function readKilledState(directory: string): KilledState {
  const recorded = new Set<string>()
  const openIds: string[] = []
  let stepsLeft = 0
  for (const { workflowId, status, ops } of executionsIn(directory)) {
    for (const op of ops) recorded.add(`${workflowId} ${op}`)
    if (status !== 'running') continue
    openIds.push(workflowId)
    stepsLeft += RECOVERY_STEPS - ops.length
  }
  return { openIds, recorded, stepsLeft }
}

/** Recorded steps whose function was called again, and acknowledged executions that did not end with all their steps. */
export function checkRecovery(
  directory: string,
  { recorded, stepsLeft }: KilledState,
): { readonly rerunRecordedSteps: number; readonly lost: number } {
  const called = linesOf(logFile(directory, 'restarted'), 'S')
  if (called.length < stepsLeft)
    throw new Error(`${stepsLeft} steps were left, ${called.length} calls were logged`)
  const whole = new Set<string>()
  for (const { workflowId, status, ops } of executionsIn(directory)) {
    if (status === 'completed' && ops.join() === '1,2,3') whole.add(workflowId)
  }
  const acknowledged = linesOf(logFile(directory, 'killed'), 'A')
  return {
    rerunRecordedSteps: called.filter((step) => recorded.has(step)).length,
    lost: acknowledged.filter((id) => !whole.has(id)).length,
  }
}

function executionsIn(directory: string) {
  const database = new DatabaseSync(storeFile(directory), { readOnly: true })
  const rows = database
    .prepare(
      `select workflow_id as workflowId, status, json_group_array(json(events)) as entries
      from (select * from execution join journal using (day, run_id) order by run_id, seq) group by run_id`,
    )
    .all()
  database.close()
  return rows.map(({ workflowId, status, entries }) => {
    const events = (JSON.parse(String(entries)) as { type: string; op: number }[][]).flat()
    const ops = events.filter(({ type }) => type === 'step-completed').map(({ op }) => op)
    return { workflowId: String(workflowId), status: String(status), ops }
  })
}

/** A last line that the kill cut short was written before anybody was told. */
function linesOf(file: string, kind: string): string[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.slice(kind.length + 1))
}
