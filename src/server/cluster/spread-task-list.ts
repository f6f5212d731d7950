/**
 * Lists of tasks in a cluster. That a task runs is known only to the node that gave it to a worker: in the store it waits. So the
 * other nodes are asked for what runs at them.
 */
import { tasksOfPage } from '../../engine/tasks/task-page.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { cursorOfTask, seqOfCursor, seqOfOwnId } from '../../protocol/task-ids.ts'
import type { TaskDescription, TaskPage, TaskQuery } from '../../protocol/task-port.ts'
import { isTaskClosed } from '../../protocol/task-status.ts'
import type { Router } from './router.ts'

export async function listTasks(router: Router, query: TaskQuery): Promise<TaskPage> {
  const { local, nodes } = router.options
  const own = await local.tasks.list(query)
  const { status } = query
  const mayRun = status?.includes('running') === true || own.tasks.some((task) => !isTaskClosed(task.status))
  if (!mayRun || nodes.others().length === 0) return own
  const limit = tasksOfPage(query.limit)
  // Of each node the newest: in the span of a page there are no more than the page has.
  const running = (await router.ofOthers('tasks.list', [
    { ...query, status: ['running'], limit },
  ])) as TaskPage[]
  if (status === undefined) return { ...own, tasks: withRunning(own.tasks, running) }
  const without = { ...own, tasks: withoutRunning(own.tasks, running) }
  return status.includes('running') ? merged(router, query.namespace, limit, [without, ...running]) : without
}

function byId(pages: readonly TaskPage[]): ReadonlyMap<string, TaskDescription> {
  return new Map(pages.flatMap(({ tasks }) => tasks.map((task) => [task.id, task] as const)))
}

/** What has ended by now has ended. */
function withRunning(
  tasks: readonly TaskDescription[],
  running: readonly TaskPage[],
): readonly TaskDescription[] {
  const found = byId(running)
  return tasks.map((task) => (isTaskClosed(task.status) ? task : (found.get(task.id) ?? task)))
}

function withoutRunning(
  tasks: readonly TaskDescription[],
  running: readonly TaskPage[],
): readonly TaskDescription[] {
  const found = byId(running)
  return tasks.filter(({ id, status }) => isTaskClosed(status) || !found.has(id))
}

/** Newest first. Behind the end of a page that has a next one its node may have more: nothing is taken from there. */
async function merged(
  router: Router,
  namespace: string,
  limit: number,
  pages: readonly TaskPage[],
): Promise<TaskPage> {
  const ends = pages.flatMap(({ cursor }) => (cursor === undefined ? [] : [numberOf(cursor)]))
  const end = ends.length === 0 ? undefined : Math.max(...ends)
  const tasks = [...byId(pages.toReversed()).values()]
  const numbered = (await numbersOf(router, namespace, tasks))
    .filter(({ seq }) => end === undefined || seq >= end)
    .sort((a, b) => b.seq - a.seq)
  const shown = numbered.slice(0, limit)
  const next = shown.length < numbered.length ? shown.at(-1)?.seq : end
  const page = shown.map(({ task }) => task)
  return next === undefined ? { tasks: page } : { tasks: page, cursor: cursorOfTask(next) }
}

/** Without those that are gone. */
async function numbersOf(
  { options: { engine } }: Router,
  namespace: string,
  tasks: readonly TaskDescription[],
): Promise<{ readonly task: TaskDescription; readonly seq: number }[]> {
  const named = tasks.filter(({ id }) => seqOfOwnId(id) === undefined)
  const seqs =
    named.length === 0 ? [] : await engine.options.store.taskSeqs(named.map(({ id }) => ({ namespace, id })))
  const bySeq = new Map(named.map(({ id }, i) => [id, seqs[i]]))
  return tasks.flatMap((task) => {
    const seq = seqOfOwnId(task.id) ?? bySeq.get(task.id)
    return seq === undefined ? [] : [{ task, seq }]
  })
}

function numberOf(cursor: string): number {
  const seq = seqOfCursor(cursor)
  if (seq === undefined) throw new PerdureError('PROTOCOL_INVALID', 'a node has given a cursor that is none')
  return seq
}
