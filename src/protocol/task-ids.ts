/** Ids of tasks that no caller named: they are made of the number of the task. */
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
