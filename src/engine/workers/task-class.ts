/**
 * Tasks that the same workers can run. Most have only a name; the others say more, and it is stored as part of their lane,
 * so that a task which no worker can run holds up no other.
 */
import type { TaskRequirements } from '../../protocol/task-port.ts'

export interface TaskClass {
  readonly name: string
  readonly requires: TaskRequirements | undefined
  /** Workers were lost while they ran it; one more, and it is not tried again: see `LOSSES_MAX`. */
  readonly isLastChance: boolean
}

export function classIdOf({ name, requires, isLastChance }: TaskClass): string {
  if (requires === undefined && !isLastChance) return name
  return `${name}\0${JSON.stringify([requires ?? null, isLastChance])}`
}

/** @throws Error if no class has this id */
export function parseClassId(id: string): TaskClass {
  const [name = '', more] = id.split('\0')
  if (more === undefined) return { name, requires: undefined, isLastChance: false }
  const [requires, isLastChance] = JSON.parse(more) as [TaskRequirements | null, boolean]
  return { name, requires: requires ?? undefined, isLastChance }
}
