/** Where the audit trail is read: a store, or an engine. */
import type { StoreReader } from '../../store/contract/store-reader.ts'
import type { CommandCall } from '../command.ts'
import { engineInsteadOfStore } from '../engine-choice.ts'
import { Rest } from '../rest/rest.ts'
import { openStoreReader, requireRows } from '../store-option.ts'

/** The trail as an engine exports it: its path, and what it is. */
export const EXPORT = [['audit', 'export'], 'application/x-ndjson'] as const

/** Of an engine; undefined: a store is named, or is in the directory. */
export function trailOf(call: CommandCall): Rest | undefined {
  const engine = engineInsteadOfStore(call, { overEnvironment: false })
  return engine === undefined ? undefined : new Rest(call, engine)
}

export async function withReader<T>(call: CommandCall, use: (reader: StoreReader) => Promise<T>): Promise<T> {
  const reader = await openStoreReader(call)
  try {
    requireRows(reader, 'audit')
    return await use(reader)
  } finally {
    await reader.close()
  }
}
