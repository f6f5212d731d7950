/** Ids of tasks that no caller named, and places in lists of tasks: they are made of the number of the task. */
import { OWN_TASK_ID } from './task-port.ts'

export function ownTaskId(seq: number): string {
  return `${OWN_TASK_ID}${seq.toString(36)}`
}

/** The number in an id that no caller gave; undefined if it is none. */
export function seqOfOwnId(id: string): number | undefined {
  if (!id.startsWith(OWN_TASK_ID)) return undefined
  const seq = Number.parseInt(id.slice(OWN_TASK_ID.length), 36)
  return Number.isSafeInteger(seq) && ownTaskId(seq) === id ? seq : undefined
}

/** Told from ids, and from any other text that happens to be a number. */
const CURSOR = 'after-'

export function cursorOfTask(seq: number): string {
  return `${CURSOR}${seq.toString(36)}`
}

/** The number in a cursor; undefined if it is none. */
export function seqOfCursor(cursor: string): number | undefined {
  const seq = Number.parseInt(cursor.slice(CURSOR.length), 36)
  return Number.isSafeInteger(seq) && cursorOfTask(seq) === cursor ? seq : undefined
}
