/** Which of some executions are open: by memory, or else by the store. */
import { isClosed } from '../../protocol/execution-status.ts'
import { keyText, type RunId, type WorkflowKey } from '../../protocol/ids.ts'
import type { Store } from '../../store/contract/store.ts'
import type { LiveExecution } from '../live-execution.ts'
import type { LiveTable } from '../live-table.ts'

export interface OpenRuns {
  /** Open by the text of its key. */
  has(text: string): boolean
  /** These are open: reads them into memory. Undefined: one has ended meanwhile. */
  load(keys: readonly WorkflowKey[]): Promise<readonly LiveExecution[] | undefined>
  /** In memory nothing says otherwise by now, and what was loaded is still there. */
  isStillSo(): boolean
}

/** @param isOnItsWay its start has been sent to another node: by the text of its key */
export async function openRunsOf(
  { table, store }: { readonly table: LiveTable; readonly store: Store },
  keys: readonly WorkflowKey[],
  isOnItsWay: (text: string) => boolean = () => false,
): Promise<OpenRuns> {
  const runIds = keys.length === 0 ? [] : await table.currentRuns(keys)
  const known = runIds.flatMap((runId) => (runId === undefined ? [] : [runId]))
  const rows = known.length === 0 ? [] : await store.executions(known)
  const stored = new Map(rows.flatMap((row) => (row === undefined ? [] : [[row.runId, row.status]])))
  /** Newest runs of those that are open, by the text of their key. */
  const open = new Map<string, RunId>()
  for (const [i, key] of keys.entries()) {
    const live = table.current(key)
    const runId = live?.state.runId ?? runIds[i]
    const status = live?.state.status ?? (runId === undefined ? undefined : stored.get(runId))
    if (runId !== undefined && status !== undefined && !isClosed(status)) open.set(keyText(key), runId)
  }
  const found = new Set(keys.flatMap((key, i) => (runIds[i] === undefined ? [] : [keyText(key)])))
  let loaded: readonly LiveExecution[] = []
  return {
    has: (text) => open.has(text) || (!found.has(text) && isOnItsWay(text)),
    load: async (wanted) => {
      const found = await Promise.all(
        wanted.map((key) => {
          const runId = open.get(keyText(key))
          return runId === undefined ? undefined : table.load(runId)
        }),
      )
      loaded = found.flatMap((each) => each ?? [])
      const areAllOpen = loaded.length === wanted.length && loaded.every(isOpen)
      return areAllOpen ? loaded : undefined
    },
    isStillSo: () =>
      loaded.every((each) => isOpen(each) && table.get(each.state.runId) === each) &&
      keys.every((key) => {
        const live = table.current(key)
        return live === undefined || isOpen(live) === open.has(keyText(key))
      }),
  }
}

function isOpen({ state }: LiveExecution): boolean {
  return !isClosed(state.status)
}
