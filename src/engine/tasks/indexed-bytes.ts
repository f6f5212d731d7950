/**
 * What is said of a task is in the indexes of the store, and PostgreSQL takes at most 2,704 bytes for a row of one. A task
 * that is larger is refused before it is recorded, on all stores, whatever policy and limits its queue has now.
 */
import { laneName } from '../../core/queue/lane.ts'
import { keyTextOf } from '../../core/task/task-key.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { TaskRequest } from '../../protocol/task-port.ts'
import { classIdOf } from '../workers/task-class.ts'

/** Without numbers, the tag of the policy, and what PostgreSQL adds. */
export const INDEXED_BYTES_MAX = 2500
/** Bytes that a character takes, at most, with what keeps it apart from others. */
const CHARACTER_BYTES = 6

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkIndexedBytes(request: TaskRequest): void {
  const { namespace, queue, name, key = '', requires, dedupe, debounce } = request
  const characters = namespace.length + queue.length + name.length + 2 * key.length
  const isPlain = requires === undefined && dedupe === undefined && debounce === undefined
  if (isPlain && characters * CHARACTER_BYTES <= INDEXED_BYTES_MAX) return
  const classId = classIdOf({ name, requires, isLastChance: true })
  const lane = laneName({ policy: '', flow: key, limitKey: key, classId }).text
  check(name, 'namespace, queue, name, twice its key, and what it requires', [namespace, queue, lane])
  check(name, 'namespace, name and key of deduplication', [namespace, keyTextOf(name, request) ?? ''])
}

function check(name: string, what: string, parts: readonly string[]): void {
  const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0)
  if (bytes > INDEXED_BYTES_MAX)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `task ${name.slice(0, 100)}: ${what} are ${bytes} bytes together, at most ${INDEXED_BYTES_MAX}`,
    )
}
