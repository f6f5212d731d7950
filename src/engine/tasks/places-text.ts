/** What of workers holds a task up, in words: none has code for it, their places are taken, some of them are ejected. */
import type { TaskRequirements } from '../../protocol/task-port.ts'
import type { ClassPlaces } from '../workers/queue-crew.ts'
import type { TaskClass } from '../workers/task-class.ts'

/** @param hasCode whether a worker has code for tasks of this name, and only lacks what it requires */
export function lackText({ name, requires }: TaskClass, hasCode: boolean): string {
  if (requires === undefined) return `no worker has code for task ${name}`
  const what = requirementsText(requires)
  return hasCode
    ? `no worker with code for task ${name} has ${what}`
    : `no worker has code for task ${name}, which requires ${what}`
}

/** Of the workers that can run such a task. */
export function placesText({ free, short, running, ejected }: ClassPlaces, kind: TaskClass): string {
  const [first, ...others] = ejected
  let text = `${free === 1 ? '1 place is' : `${free} places are`} free`
  if (free === 0 && short > 0) text = shortText(kind)
  else if (free === 0 && running > 0)
    text = running === 1 ? 'the only place is taken' : `all ${running} places are taken`
  else if (free === 0) text = 'no place is free'
  if (first === undefined) return text
  const times = ejected.map(({ untilMs }) => untilMs)
  const who = others.length === 0 ? `worker ${first.id} gets` : `${ejected.length} workers get`
  const until = new Date(Math.min(...times)).toISOString()
  return `${text}, and ${who} none until ${until}, since too much failed there`
}

function shortText({ requires }: TaskClass): string {
  const used = [requires?.cpu && 'CPU', requires?.memoryMb && 'memory'].filter(
    (each) => typeof each === 'string',
  )
  if (used.length > 0)
    return `the ${used.join(' and ')} that it requires ${used.length === 1 ? 'is' : 'are'} in use`
  // Its workers were lost: it runs beside no other such task.
  return 'its workers were lost, and each free worker runs another such task'
}

function requirementsText({ cpu, memoryMb, labels = {} }: TaskRequirements): string {
  const parts: string[] = []
  if (cpu !== undefined) parts.push(`${cpu} ${cpu === 1 ? 'CPU' : 'CPUs'}`)
  if (memoryMb !== undefined) parts.push(`${memoryMb} MiB of memory`)
  for (const [label, value] of Object.entries(labels)) parts.push(`label ${label}=${value}`)
  const last = parts.pop() ?? 'nothing'
  return parts.length === 0 ? last : `${parts.join(', ')} and ${last}`
}
