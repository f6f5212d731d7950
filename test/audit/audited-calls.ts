/** Each call of the client's port that changes something: what has to be there before, the call, and the rows of its change. */
import { signal, task, update, workflow } from '../../src/index.ts'
import type { ClientPort, ExecutionTarget } from '../../src/protocol/client-port.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { DEFAULT_RETRY } from '../../src/protocol/retry-policy.ts'
import type { ScheduleSpec } from '../../src/protocol/schedule-port.ts'
import type { TaskRequest } from '../../src/protocol/task-port.ts'
import type { AUDITED_METHODS } from '../../src/server/audit/audited-methods.ts'
import type { Batch } from '../../src/store/contract/batch.ts'

export const go = signal<string>('go')
export const rename = update<string, string>('rename')

/** Waits for a signal, renames itself, and asks a person. */
export const waiting = workflow({
  name: 'waiting',
  run: async (ctx) => {
    let name = ''
    ctx.onUpdate(rename, (to) => {
      name = to
      return name
    })
    await ctx.waitFor(go)
    return name
  },
})
export const quick = workflow({ name: 'quick', run: async () => 'done' })
export const failing = workflow({
  name: 'failing',
  run: async (ctx) => {
    await ctx.step(
      'fail',
      () => {
        throw new Error('no')
      },
      { retry: { maxAttempts: 1 } },
    )
  },
})
export const asking = workflow({
  name: 'asking',
  run: async (ctx) => {
    await ctx.humanTask({ name: 'look', title: 'Look at it', candidateUsers: ['ann'] })
  },
})
export const work = task({ name: 'work', run: () => 'done' })
export const broken = task({
  name: 'broken',
  run: () => {
    throw new Error('no')
  },
})

export const NAMESPACE = 'default'

export interface Prepared {
  readonly run: (port: ClientPort) => Promise<unknown>
  /** Of the change, in the batch of the row. */
  readonly isIn: (batch: Batch) => boolean
  /** What the row counts, if not one. */
  readonly count?: number
  readonly actor?: string
}

type Prepare = (port: ClientPort, id: string) => Promise<Prepared>

const target = (id: string): ExecutionTarget => ({ key: { namespace: NAMESPACE, workflowId: id } })
const named = (id: string): { namespace: string; id: string } => ({ namespace: NAMESPACE, id })

async function started(port: ClientPort, id: string, name: string): Promise<string> {
  const { runId } = await port.start({
    ...target(id),
    workflow: name,
    version: '1',
    input: encodePayload(null),
    onConflict: 'fail',
  })
  return runId
}

const journalOf =
  (runId: string, type: string) =>
  (batch: Batch): boolean =>
    batch.journal.some((entry) => entry.runId === runId && entry.events.includes(`"${type}"`))

const onWaiting =
  (type: string, run: (port: ClientPort, of: ExecutionTarget) => Promise<unknown>): Prepare =>
  async (port, id) => {
    const runId = await started(port, id, 'waiting')
    return { run: (audited) => run(audited, target(id)), isIn: journalOf(runId, type) }
  }

function requestOf(id: string, name = 'work', more: Partial<TaskRequest> = {}): TaskRequest {
  return { namespace: NAMESPACE, name, queue: 'mail', input: encodePayload(null), id, ...more }
}

/** Nobody runs it. */
const parked = (id: string): TaskRequest => requestOf(id, 'work', { delayMs: 3_600_000 })

const isTaskUpdated = (batch: Batch): boolean => batch.tasksUpdated.length > 0

async function failedTask(port: ClientPort, id: string): Promise<void> {
  const retry = { ...DEFAULT_RETRY, maxAttempts: 1 }
  await port.tasks.enqueue([requestOf(id, 'broken', { retry })])
  await port.tasks.outcome(named(id))
}

const SPEC: ScheduleSpec = {
  times: { kind: 'interval', everyMs: 3_600_000, offsetMs: 0 },
  overlap: 'skip',
  catchUpMs: 60_000,
  jitterMs: 0,
  start: { workflow: 'quick', version: '1', input: encodePayload(null), idPrefix: 'run' },
}

const specOf = (id: string): ScheduleSpec => ({ ...SPEC, start: { ...SPEC.start, idPrefix: id } })

const onSchedule =
  (run: (port: ClientPort, id: string) => Promise<unknown>): Prepare =>
  async (port, id) => {
    await port.schedules.create(named(id), specOf(id), { onConflict: 'fail' })
    return {
      run: (audited) => run(audited, id),
      isIn: ({ schedules }) => schedules.some((row) => row.id === id),
    }
  }

const onQueue =
  (
    run: (port: ClientPort, queue: string) => Promise<unknown>,
    before?: (port: ClientPort, queue: string) => Promise<unknown>,
  ): Prepare =>
  async (port, id) => {
    await before?.(port, id)
    return {
      run: (audited) => run(audited, id),
      isIn: ({ queueSettings }) => queueSettings.some(({ queue }) => queue === id),
    }
  }

const queueOf = (queue: string): { namespace: string; queue: string } => ({ namespace: NAMESPACE, queue })

/** But `nodes.drain`, which is in no batch. */
export const AUDITED_CALLS: {
  readonly [M in Exclude<keyof typeof AUDITED_METHODS, 'nodes.drain'>]: Prepare
} = {
  start: async (_, id) => ({
    run: (port) => started(port, id, 'waiting'),
    isIn: (batch) => batch.executionsInserted.some(({ key }) => key.workflowId === id),
  }),
  signal: onWaiting('signal-received', (port, of) => port.signal(of, 'go', encodePayload('x'))),
  update: onWaiting('update-accepted', (port, of) => port.update(of, 'rename', encodePayload('ada'), 'u1')),
  cancel: onWaiting('cancel-requested', (port, of) => port.cancel(of, 'enough')),
  terminate: onWaiting('execution-terminated', (port, of) => port.terminate(of, 'enough')),
  retry: async (port, id) => {
    const runId = await started(port, id, 'failing')
    await port.outcome(target(id))
    return { run: (audited) => audited.retry(target(id)), isIn: journalOf(runId, 'execution-reopened') }
  },
  delete: async (port, id) => {
    const runId = await started(port, id, 'quick')
    await port.outcome(target(id))
    return {
      run: (audited) => audited.delete(target(id)),
      isIn: (batch) => batch.deleted.some((each) => each.runId === runId),
    }
  },
  'tasks.enqueue': async (_, id) => ({
    run: (port) => port.tasks.enqueue([1, 2, 3].map((i) => parked(`${id}-${i}`))),
    isIn: (batch) => batch.tasksInserted.length === 3,
    count: 3,
  }),
  'tasks.cancel': async (port, id) => {
    await port.tasks.enqueue([parked(id)])
    return { run: (audited) => audited.tasks.cancel(named(id), 'enough'), isIn: isTaskUpdated }
  },
  'tasks.retry': async (port, id) => {
    await failedTask(port, id)
    return { run: (audited) => audited.tasks.retry(named(id)), isIn: isTaskUpdated }
  },
  'tasks.retryMany': async (port, id) => {
    await failedTask(port, `${id}-1`)
    await failedTask(port, `${id}-2`)
    return {
      run: (audited) => audited.tasks.retryMany({ namespace: NAMESPACE, idPrefix: id }),
      isIn: (batch) => batch.tasksUpdated.length >= 2,
      count: 2,
    }
  },
  'tasks.reprioritise': async (port, id) => {
    await port.tasks.enqueue([parked(id)])
    return { run: (audited) => audited.tasks.reprioritise(named(id), 3), isIn: isTaskUpdated }
  },
  'tasks.delete': async (port, id) => {
    await failedTask(port, id)
    return {
      run: (audited) => audited.tasks.delete(named(id)),
      isIn: (batch) => batch.tasksDeleted.length === 1,
    }
  },
  'schedules.create': async (_, id) => ({
    run: (port) => port.schedules.create(named(id), specOf(id), { onConflict: 'fail' }),
    isIn: ({ schedules }) => schedules.some((row) => row.id === id),
  }),
  'schedules.update': onSchedule((port, id) => port.schedules.update(named(id), { overlap: 'buffer-one' })),
  'schedules.pause': onSchedule((port, id) => port.schedules.pause(named(id), 'enough')),
  'schedules.resume': async (port, id) => {
    const prepared = await onSchedule((audited) => audited.schedules.resume(named(id)))(port, id)
    await port.schedules.pause(named(id), 'enough')
    return prepared
  },
  'schedules.trigger': onSchedule((port, id) => port.schedules.trigger(named(id), { requestId: 'r1' })),
  'schedules.backfill': onSchedule((port, id) =>
    port.schedules.backfill(named(id), {
      fromMs: 1_750_000_000_000,
      toMs: 1_750_000_000_001,
      overlap: 'skip',
    }),
  ),
  'schedules.delete': async (port, id) => {
    await port.schedules.create(named(id), specOf(id), { onConflict: 'fail' })
    return {
      run: (audited) => audited.schedules.delete(named(id)),
      isIn: ({ schedulesDropped }) => schedulesDropped.some((row) => row.id === id),
    }
  },
  'queues.set': onQueue((port, id) => port.queues.set(queueOf(id), { concurrency: 3 }, {})),
  'queues.pause': onQueue((port, id) => port.queues.pause(queueOf(id), 'enough', {})),
  'queues.resume': onQueue(
    (port, id) => port.queues.resume(queueOf(id), {}),
    (port, id) => port.queues.pause(queueOf(id), 'enough', {}),
  ),
  'queues.reset': onQueue(
    (port, id) => port.queues.reset(queueOf(id), undefined, {}),
    (port, id) => port.queues.set(queueOf(id), { concurrency: 3 }, {}),
  ),
  'people.act': async (port, id) => {
    const runId = await started(port, id, 'asking')
    const human = await humanTaskOf(port, id)
    return {
      run: (audited) =>
        audited.people.act(named(human), { user: 'ann', groups: [] }, { kind: 'claim' }, 'r1'),
      isIn: (batch) => batch.journal.some((entry) => entry.runId === runId),
      actor: 'ann',
    }
  },
}

async function humanTaskOf(port: ClientPort, id: string): Promise<string> {
  for (;;) {
    const { tasks } = await port.people.inbox({ namespace: NAMESPACE, workflowId: id })
    const [first] = tasks
    if (first !== undefined) return first.id
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
