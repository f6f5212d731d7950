/** Calls about tasks, queues, schedules and people, in a cluster: to the node that has them, or to all nodes. */

import { tasksToRetry } from '../../engine/tasks/task-calls.ts'
import { withTasks } from '../../engine/why-execution-waits.ts'
import { currentCall, partOf } from '../../platform/call-context.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { ExecutionExplanation } from '../../protocol/execution-explanation.ts'
import { isClosed } from '../../protocol/execution-status.ts'
import { partsOfHumanTaskId } from '../../protocol/human-task.ts'
import { isRunId, type QueueAddress, queueShardOf } from '../../protocol/ids.ts'
import type { PeoplePort } from '../../protocol/people-port.ts'
import type { QueueExplanation } from '../../protocol/queue-explanation.ts'
import type { QueueChangeReply, QueueDescription, QueuePort, QueueTarget } from '../../protocol/queue-port.ts'
import type { SchedulePort } from '../../protocol/schedule-port.ts'
import { cursorOfTask, ownTaskId, seqOfOwnId } from '../../protocol/task-ids.ts'
import type {
  TaskExplanation,
  TaskPort,
  TaskReply,
  TaskRequest,
  TaskTarget,
} from '../../protocol/task-port.ts'
import type { Router } from './router.ts'
import { listTasks } from './spread-task-list.ts'

/** Tasks that one call to their owner adds, all or none of them. */
const ENQUEUE_TASKS = 1000
const LOOK_AGAIN_MS = 10
/** A wrong owner for so long is somebody's trouble: the caller is told. */
const LOOK_FOR_MS = 60_000
/** Tasks that one call retries. */
const RETRIED_TASKS = 500

export function taskCalls(router: Router): TaskPort {
  const ofTask =
    <M extends 'describe' | 'explain' | 'cancel' | 'retry' | 'reprioritise' | 'delete'>(method: M) =>
    (...args: Parameters<TaskPort[M]>): ReturnType<TaskPort[M]> =>
      callOfTask(router, `tasks.${method}`, args) as ReturnType<TaskPort[M]>
  return {
    list: (query) => listTasks(router, query),
    enqueue: (requests) => enqueue(router, requests),
    outcome: (target, options) =>
      callOfTask(router, 'tasks.outcome', [target], options?.signal) as ReturnType<TaskPort['outcome']>,
    describe: ofTask('describe'),
    explain: ofTask('explain'),
    cancel: ofTask('cancel'),
    retry: ofTask('retry'),
    reprioritise: ofTask('reprioritise'),
    delete: ofTask('delete'),
    retryMany: (query) => retryMany(router, query),
    explainQueue: (target) => explainQueue(router, target),
  }
}

async function callOfTask(
  router: Router,
  method: `tasks.${'outcome' | 'describe' | 'explain' | 'cancel' | 'retry' | 'reprioritise' | 'delete'}`,
  args: readonly [TaskTarget, ...unknown[]],
  signal?: AbortSignal,
): Promise<unknown> {
  const { owner, engine } = router.options
  return whereItIs(router, {
    find: () => queueOfTask(router, args[0]),
    there: (queue) =>
      router.call({ shard: queueShardOf(queue, engine.ownership.shards), method, args, signal }),
    here: () => owner.call(method, args, signal),
  })
}

/** What is not found is asked for here: this node says that there is none. Unless there is one by now, of another node. */
async function whereItIs<Place>(
  { options: { nodes, engine } }: Router,
  {
    find,
    there,
    here,
  }: {
    readonly find: () => Promise<Place | undefined>
    readonly there: (place: Place) => Promise<unknown>
    readonly here: () => Promise<unknown>
  },
): Promise<unknown> {
  const endMs = engine.clock.nowMs() + LOOK_FOR_MS
  for (;;) {
    const place = await find()
    if (place !== undefined) return there(place)
    try {
      return await here()
    } catch (error) {
      const isMoved = error instanceof PerdureError && error.code === 'SHARD_MOVED'
      if (!isMoved || engine.clock.nowMs() > endMs) throw error
      // Or this node has been fenced, and is about to begin anew.
      await nodes.changed(LOOK_AGAIN_MS)
    }
  }
}

/** The owner of an execution knows why its tasks wait if their queues are on the same node; the others are asked here. */
export async function tasksExplained(
  router: Router,
  namespace: string,
  explanation: ExecutionExplanation,
): Promise<ExecutionExplanation> {
  const tasks = new Map<string, TaskExplanation>()
  await Promise.all(
    explanation.waits.map(async (wait) => {
      if (wait.kind !== 'task' || wait.task !== undefined) return
      try {
        const id = wait.taskId
        tasks.set(id, (await callOfTask(router, 'tasks.explain', [{ namespace, id }])) as TaskExplanation)
      } catch (error) {
        // It is on its way to its queue, or its end is on its way to the execution.
        if (!(error instanceof PerdureError && error.code === 'TASK_NOT_FOUND')) throw error
      }
    }),
  )
  return tasks.size === 0 ? explanation : withTasks(explanation, tasks)
}

/** As its row says: a task stays on its queue. Nobody knows the id of a task that has no row yet. */
async function queueOfTask(
  { options: { engine } }: Router,
  { namespace, id }: TaskTarget,
): Promise<QueueAddress | undefined> {
  const { store } = engine.options
  const seq = seqOfOwnId(id) ?? (await store.taskSeqs([{ namespace, id }]))[0]
  const [row] = seq === undefined ? [] : await store.tasks([seq])
  return row
}

/** In parts that one node owns. Each part is added as a whole, or not at all. */
async function enqueue(router: Router, requests: readonly TaskRequest[]): Promise<readonly TaskReply[]> {
  const { tasks, ownership } = router.options.engine
  const { designs } = router.options.engine.options
  const byShard = new Map<number, { readonly index: number; readonly request: TaskRequest }[]>()
  for (const [index, given] of requests.entries()) {
    const { namespace, queue, key } = given
    const request = { ...given, seq: given.seq ?? tasks.nextNumber() }
    const partition = tasks.partitionOf(queue, key, request.seq)
    const shard = queueShardOf({ namespace, queue, partition }, ownership.shards)
    const known = byShard.get(shard)
    if (known === undefined) byShard.set(shard, [{ index, request }])
    else known.push({ index, request })
  }
  const replies: TaskReply[] = new Array(requests.length)
  await Promise.all(
    [...byShard].map(async ([shard, all]) => {
      for (let at = 0; at < all.length; at += ENQUEUE_TASKS) {
        const part = all.slice(at, at + ENQUEUE_TASKS)
        const args = [part.map(({ request }) => request)]
        // Numbers are looked up where they come: of what was never asked before nobody has to.
        const isFirst = part.every(
          ({ request: { key, queue } }) => key !== undefined || designs.partitionsOf(queue) === 1,
        )
        const localArgs = isFirst ? [part.map(({ index }) => requests[index])] : args
        const call = { shard, method: 'tasks.enqueue' as const, args, localArgs }
        const answers = (await router.call(call)) as readonly TaskReply[]
        for (const [i, { index }] of part.entries()) {
          const answer = answers[i]
          if (answer !== undefined) replies[index] = answer
        }
      }
    }),
  )
  return replies
}

/** One by one, each at its owner. */
async function retryMany(
  router: Router,
  query: Parameters<TaskPort['retryMany']>[0],
): ReturnType<TaskPort['retryMany']> {
  const most = Math.min(query.limit ?? RETRIED_TASKS, RETRIED_TASKS)
  const rows = await tasksToRetry(router.options.engine, { ...query, limit: most }, false)
  let retried = 0
  const call = currentCall()
  await Promise.all(
    rows.map(async ({ id, seq }) => {
      try {
        const taskId = id ?? ownTaskId(seq)
        await partOf(call, { type: 'Task', id: taskId }, () =>
          callOfTask(router, 'tasks.retry', [{ namespace: query.namespace, id: taskId }]),
        )
        retried += 1
      } catch (error) {
        // It has changed since it was listed.
        const code = error instanceof PerdureError ? error.code : ''
        if (!['TASK_OPEN', 'TASK_CLOSED', 'TASK_NOT_FOUND'].includes(code)) throw error
      }
    }),
  )
  const last = rows.length < most ? undefined : rows.at(-1)
  return last === undefined ? { retried } : { retried, cursor: cursorOfTask(last.seq) }
}

/** Of several partitions the one in which the most wait says why. */
async function explainQueue(router: Router, target: QueueTarget): Promise<QueueExplanation> {
  const { designs } = router.options.engine.options
  const partitions = designs.partitionsOf(target.queue)
  const shards = new Set(
    Array.from({ length: partitions }, (_, partition) => shardOfQueue(router, target, partition)),
  )
  const answers = (await Promise.all(
    [...shards].map((shard) => router.call({ shard, method: 'tasks.explainQueue', args: [target] })),
  )) as QueueExplanation[]
  const [first] = answers.toSorted((a, b) => b.waiting - a.waiting)
  if (first === undefined) throw new Error('invariant: a queue has a partition')
  // A node that has several of them has answered for all of its own.
  return first
}

function shardOfQueue(router: Router, { namespace, queue }: QueueTarget, partition = 0): number {
  return queueShardOf({ namespace, queue, partition }, router.options.engine.ownership.shards)
}

export function queueCalls(router: Router): QueuePort {
  const ofQueue =
    <M extends 'get' | 'set' | 'pause' | 'resume' | 'reset'>(method: M) =>
    (...args: Parameters<QueuePort[M]>): ReturnType<QueuePort[M]> =>
      router.call({
        shard: shardOfQueue(router, args[0]),
        method: `queues.${method}`,
        args,
      }) as ReturnType<QueuePort[M]>
  /** Whoever has other partitions follows before the caller is answered, if it can be reached. */
  const changed =
    <M extends 'set' | 'pause' | 'resume' | 'reset'>(method: M) =>
    async (...args: Parameters<QueuePort[M]>): Promise<QueueChangeReply> => {
      const reply = (await ofQueue(method)(...args)) as QueueChangeReply
      const [{ namespace, queue }] = args
      if (isPartitioned(router, queue)) await router.ofAll('queues.list', [namespace])
      return reply
    }
  return {
    list: (namespace) => listQueues(router, namespace),
    get: async (target) => {
      const details = await ofQueue('get')(target)
      if (!isPartitioned(router, target.queue)) return details
      const all = await listQueues(router, target.namespace)
      const { waiting, running, moving } = all.find(({ queue }) => queue === target.queue) ?? details
      return { ...details, waiting, running, moving }
    },
    set: changed('set'),
    pause: changed('pause'),
    resume: changed('resume'),
    reset: changed('reset'),
  }
}

function isPartitioned({ options: { engine } }: Router, queue: string): boolean {
  return engine.options.designs.partitionsOf(queue) > 1
}

/** Each node says what it has of each queue; what is in force is what the newest revision says. */
async function listQueues(router: Router, namespace: string): Promise<readonly QueueDescription[]> {
  const lists = (await router.ofAll('queues.list', [namespace])) as (readonly QueueDescription[])[]
  const byName = new Map<string, QueueDescription>()
  for (const each of lists.flat()) {
    const known = byName.get(each.queue)
    if (known === undefined) {
      byName.set(each.queue, each)
      continue
    }
    const newest = each.revision > known.revision ? each : known
    byName.set(each.queue, {
      ...newest,
      waiting: known.waiting + each.waiting,
      running: known.running + each.running,
      moving: known.moving + each.moving,
    })
  }
  return [...byName.values()].sort((a, b) => (a.queue < b.queue ? -1 : 1))
}

export function scheduleCalls(router: Router): SchedulePort {
  const ofSchedule =
    <M extends 'create' | 'update' | 'pause' | 'resume' | 'trigger' | 'backfill' | 'describe' | 'delete'>(
      method: M,
    ) =>
    (...args: Parameters<SchedulePort[M]>): ReturnType<SchedulePort[M]> =>
      router.call({
        shard: router.scheduleShardOf(args[0]),
        method: `schedules.${method}`,
        args,
      }) as ReturnType<SchedulePort[M]>
  return {
    list: (query) => router.options.local.schedules.list(query),
    create: ofSchedule('create'),
    update: ofSchedule('update'),
    pause: ofSchedule('pause'),
    resume: ofSchedule('resume'),
    trigger: ofSchedule('trigger'),
    backfill: ofSchedule('backfill'),
    describe: ofSchedule('describe'),
    delete: ofSchedule('delete'),
  }
}

export function peopleCalls(router: Router): PeoplePort {
  const { local } = router.options
  const ofTask =
    <M extends 'describe' | 'act'>(method: M) =>
    (...args: Parameters<PeoplePort[M]>): ReturnType<PeoplePort[M]> =>
      callOfHumanTask(router, `people.${method}`, args) as ReturnType<PeoplePort[M]>
  return {
    inbox: (query) => local.people.inbox(query),
    // From the journal.
    history: (target) => local.people.history(target),
    describe: ofTask('describe'),
    act: ofTask('act'),
  }
}

async function callOfHumanTask(
  router: Router,
  method: 'people.describe' | 'people.act',
  args: readonly [{ readonly namespace: string; readonly id: string }, ...unknown[]],
): Promise<unknown> {
  const { engine, owner } = router.options
  const { runId } = partsOfHumanTaskId(args[0].id) ?? {}
  return whereItIs(router, {
    find: async () => {
      const [row] =
        runId === undefined || !isRunId(runId) ? [] : await engine.options.store.executions([runId])
      // Of a closed one each node reads the same.
      return row !== undefined && method === 'people.describe' && isClosed(row.status) ? undefined : row
    },
    there: ({ shard }) => router.call({ shard, method, args }),
    here: () => owner.call(method, args),
  })
}
