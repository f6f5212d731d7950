// What an engine observes of itself, held against what it has really done.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createEngine,
  createWorker,
  type Engine,
  NonRetryableError,
  signal,
  silentLogger,
  task,
  workflow,
} from '../../src/index.ts'
import { metricOf } from './metrics-reader.ts'

const fast = { initialInterval: 1, maxInterval: 1 }
const double = task({ name: 'double', run: (_, value: number) => value * 2 })
const broken = task({
  name: 'broken',
  retry: { ...fast, maxAttempts: 3 },
  run: (_, value: number): number => {
    throw new Error(`no ${value}`)
  },
})
const go = signal<string>('go')

const order = workflow({
  name: 'order',
  run: async (ctx, fails: number) => {
    let left = fails
    const flaky = (): number => {
      if (left-- > 0) throw new Error('not yet')
      return 1
    }
    await ctx.step('flaky', flaky, { retry: { ...fast, maxAttempts: 5 } })
    await ctx.sleep(5)
    return ctx.task(double, 21, { queue: 'sums' })
  },
})
const refused = workflow({
  name: 'refused',
  run: async (ctx) => {
    await ctx.step('refuse', () => {
      throw new NonRetryableError('never')
    })
  },
})
const waits = workflow({ name: 'waits', run: (ctx) => ctx.waitFor(go) })
const parent = workflow({ name: 'parent', run: (ctx) => ctx.child(waits, undefined, { id: 'the-child' }) })

async function until(what: string, isSo: () => boolean): Promise<void> {
  const endMs = Date.now() + 20_000
  while (!isSo()) {
    if (Date.now() > endMs) throw new Error(`never: ${what}`)
    await sleep(5)
  }
}

const makers = { workflows: [order, refused, waits, parent], tasks: [double, broken], logger: silentLogger }
const open = (settings = {}): Promise<Engine> => createEngine({ store: 'memory', ...makers, ...settings })

describe('metrics of an engine', () => {
  test('executions and their steps', async () => {
    await using engine = await open()
    for (let i = 0; i < 3; i++) assert.equal(await (await engine.start(order, i)).result(), 42)
    await assert.rejects((await engine.start(refused, undefined)).result())
    const cancelled = await engine.start(waits, undefined)
    await cancelled.terminate('enough')
    await assert.rejects(cancelled.result())
    const of = (name: string, labels: Record<string, string>) =>
      metricOf(engine, name, { namespace: 'default', ...labels })
    assert.equal(of('perdure_executions_started_total', { workflow: 'order' }), 3)
    assert.equal(of('perdure_executions_closed_total', { workflow: 'order', status: 'completed' }), 3)
    assert.equal(of('perdure_executions_closed_total', { workflow: 'refused', status: 'failed' }), 1)
    assert.equal(of('perdure_executions_closed_total', { workflow: 'waits', status: 'terminated' }), 1)
    assert.equal(of('perdure_execution_start_latency_seconds_count', { workflow: 'order' }), 3)
    assert.equal(of('perdure_execution_response_time_seconds_count', { workflow: 'order' }), 3)
    assert.ok((of('perdure_execution_response_time_seconds_sum', { workflow: 'order' }) ?? 0) >= 0.015)
    assert.equal(of('perdure_step_run_time_seconds_count', { step: 'flaky' }), 6)
    assert.equal(of('perdure_step_failures_total', { step: 'flaky' }), 3)
    assert.equal(of('perdure_step_retries_total', { step: 'flaky' }), 3)
    assert.equal(of('perdure_step_failures_total', { step: 'refuse' }), 1)
    assert.equal(of('perdure_step_retries_total', { step: 'refuse' }), 0)
    assert.equal(of('perdure_timers_started_total', { workflow: 'order' }), 3)
    assert.equal(metricOf(engine, 'perdure_timer_lateness_seconds_count', { kind: 'execution' }), 6)
    const { commits, rows } = engine.counters
    assert.equal(metricOf(engine, 'perdure_commits_total', { outcome: 'committed' }), commits)
    assert.equal(metricOf(engine, 'perdure_commit_rows_sum'), rows)
    assert.equal(metricOf(engine, 'perdure_commit_duration_seconds_count'), commits)
  })

  test('a closed execution is counted once, whatever asks for it later, and again when it is retried', async () => {
    await using engine = await open()
    const execution = await engine.start(refused, undefined, { id: 'r' })
    await assert.rejects(execution.result())
    const failed = (): number | undefined =>
      metricOf(engine, 'perdure_executions_closed_total', { status: 'failed' })
    await assert.rejects(execution.signal(go, 'x'))
    await execution.history()
    assert.equal(failed(), 1)
    await execution.retry()
    await until('it has failed again', () => failed() === 2)
    assert.equal(metricOf(engine, 'perdure_executions_started_total', { workflow: 'refused' }), 1)
    assert.equal(metricOf(engine, 'perdure_executions_reopened_total', { workflow: 'refused' }), 1)
  })

  test('tasks: waits, attempts, retries, dead letters', async () => {
    await using engine = await open()
    const handles = await engine.enqueueMany(double, [1, 2, 3], { queue: 'sums' })
    for (const handle of handles) await handle.result()
    const dead = await engine.enqueue(broken, 7, { queue: 'sums', id: 'dead' })
    await assert.rejects(dead.result())
    const of = (name: string, labels: Record<string, string>) =>
      metricOf(engine, name, { namespace: 'default', queue: 'sums', ...labels })
    assert.equal(of('perdure_tasks_enqueued_total', { task: 'double' }), 3)
    assert.equal(of('perdure_tasks_closed_total', { task: 'double', status: 'completed' }), 3)
    assert.equal(of('perdure_task_schedule_to_start_seconds_count', { task: 'double' }), 3)
    assert.equal(of('perdure_task_run_time_seconds_count', { task: 'double' }), 3)
    assert.equal(of('perdure_task_response_time_seconds_count', { task: 'double' }), 3)
    assert.equal(of('perdure_task_attempts_total', { task: 'broken', outcome: 'failed' }), 3)
    assert.equal(of('perdure_task_retries_total', { task: 'broken' }), 2)
    assert.equal(of('perdure_task_schedule_to_start_seconds_count', { task: 'broken' }), 1)
    assert.equal(of('perdure_tasks_closed_total', { task: 'broken', status: 'failed' }), 1)
    assert.equal(metricOf(engine, 'perdure_worker_task_run_time_seconds_count', { worker: 'local' }), 6)
    assert.equal(metricOf(engine, 'perdure_worker_task_failures_total', { worker: 'local' }), 3)
    // It ends again, and its deletion is no end.
    await dead.retry()
    await assert.rejects(dead.result())
    await dead.delete()
    assert.equal(of('perdure_tasks_closed_total', { task: 'broken', status: 'failed' }), 2)
  })

  test('a task of an execution is counted as the others', async () => {
    await using engine = await open()
    await (await engine.start(order, 0)).result()
    assert.equal(metricOf(engine, 'perdure_tasks_enqueued_total', { queue: 'sums' }), 1)
    assert.equal(metricOf(engine, 'perdure_tasks_closed_total', { queue: 'sums', status: 'completed' }), 1)
  })

  test('queues as they are: what waits, the oldest, and the workers that are wanted', async () => {
    await using engine = await open({ taskConcurrency: 8, metrics: { targetWait: '10s' } })
    await engine.queues.pause('later')
    await engine.enqueueMany(double, [1, 2, 3], { queue: 'later' })
    await sleep(30)
    const of = (name: string) => metricOf(engine, name, { namespace: 'default', queue: 'later' })
    assert.equal(of('perdure_queue_waiting_tasks'), 3)
    assert.equal(of('perdure_queue_running_tasks'), 0)
    assert.equal(of('perdure_queue_paused'), 1)
    assert.ok((of('perdure_queue_oldest_task_age_seconds') ?? 0) >= 0.03)
    assert.equal(of('perdure_queue_worker_slots'), 8)
    // What a task takes is not known: one slot tells.
    assert.equal(of('perdure_queue_desired_slots'), 1)
    assert.equal(of('perdure_queue_desired_workers'), 1 / 8)
    await engine.queues.resume('later')
    await until('nothing waits', () => of('perdure_queue_waiting_tasks') === 0)
    assert.equal(of('perdure_queue_paused'), 0)
    assert.equal(of('perdure_queue_oldest_task_age_seconds'), 0)
  })

  test('children, signals, messages, parked executions, schedules, human tasks', async () => {
    const asks = workflow({
      name: 'asks',
      run: (ctx) => ctx.humanTask({ title: 'look', candidateGroups: ['clerks'] }),
    })
    const directory = mkdtempSync(join(tmpdir(), 'perdure-metrics-'))
    const store = `sqlite:${join(directory, 'm.db')}`
    try {
      {
        await using engine = await open({ store, workflows: [...makers.workflows, asks] })
        const execution = await engine.start(parent, undefined)
        await until(
          'the child is there',
          () => metricOf(engine, 'perdure_executions_started_total', { workflow: 'waits' }) === 1,
        )
        await engine.execution(waits, 'the-child').signal(go, 'now')
        assert.equal(await execution.result(), 'now')
        assert.equal(metricOf(engine, 'perdure_children_started_total', { workflow: 'parent' }), 1)
        assert.equal(metricOf(engine, 'perdure_signals_received_total', { workflow: 'waits' }), 1)
        assert.ok((metricOf(engine, 'perdure_messages_sent_total') ?? 0) >= 2)
        await engine.start(asks, undefined, { id: 'asking' })
        await until(
          'it is asked',
          () => metricOf(engine, 'perdure_human_tasks_opened_total', { task: 'look' }) === 1,
        )
        await engine.execution(asks, 'asking').terminate('no')
        await until(
          'it is closed',
          () => metricOf(engine, 'perdure_human_tasks_closed_total', { outcome: 'cancelled' }) === 1,
        )
        await engine.schedules.create('often', { every: '1s' }, { workflow: order, input: 0 })
        await until('it has run', () => (metricOf(engine, 'perdure_schedule_runs_total') ?? 0) > 0)
        await engine.schedules.delete('often')
        await engine.start(waits, undefined, { id: 'orphan' })
      }
      // Its code is missing: it is parked.
      await using engine = await open({ store, workflows: [order] })
      await engine.execution(waits, 'orphan').describe()
      await until(
        'it is parked',
        () => metricOf(engine, 'perdure_executions_parked_total', { workflow: 'waits' }) === 1,
      )
      // Nothing of before is counted again.
      assert.equal(metricOf(engine, 'perdure_executions_closed_total', { workflow: 'parent' }), undefined)
      assert.equal(metricOf(engine, 'perdure_executions_started_total', { workflow: 'waits' }), undefined)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })

  test('workers of other processes: their steps and tasks, as long as they are connected', async () => {
    await using engine = await open({ workflows: undefined, tasks: [] })
    const { url } = await engine.listen()
    const worker = await createWorker({ ...makers, url, id: 'w-1', concurrency: 4 })
    assert.equal(await (await engine.start(order, 1)).result(), 42)
    assert.equal(metricOf(engine, 'perdure_step_run_time_seconds_count', { step: 'flaky' }), 2)
    assert.equal(metricOf(engine, 'perdure_step_failures_total', { step: 'flaky' }), 1)
    assert.equal(metricOf(engine, 'perdure_worker_task_run_time_seconds_count', { worker: 'w-1' }), 1)
    assert.equal(metricOf(engine, 'perdure_worker_slots', { worker: 'w-1' }), 4)
    assert.equal(metricOf(engine, 'perdure_workers', { kind: 'remote' }), 1)
    assert.equal(metricOf(engine, 'perdure_workers', { kind: 'local' }), 0)
    assert.equal(metricOf(engine, 'perdure_connections', { kind: 'worker' }), 1)
    assert.equal(metricOf(engine, 'perdure_queue_worker_slots', { queue: 'sums' }), 4)
    await worker.close()
    await until('it has left', () => metricOf(engine, 'perdure_workers', { kind: 'remote' }) === 0)
    assert.equal(metricOf(engine, 'perdure_worker_task_run_time_seconds_count', { worker: 'w-1' }), undefined)
    assert.equal(metricOf(engine, 'perdure_worker_slots', { worker: 'w-1' }), undefined)
    assert.equal(metricOf(engine, 'perdure_queue_workers', { queue: 'sums' }), 0)
    await until(
      'its connection has closed',
      () => metricOf(engine, 'perdure_connections', { kind: 'worker' }) === 0,
    )
  })

  test('names that users make up do not make more and more series', async () => {
    const many = workflow({
      name: 'many',
      run: async (ctx) => {
        for (let i = 0; i < 400; i++) await ctx.step(`step-${i}`, () => i)
      },
    })
    await using engine = await open({ workflows: [many] })
    await (await engine.start(many, undefined)).result()
    assert.equal(metricOf(engine, 'perdure_step_run_time_seconds_count'), 400)
    assert.equal(metricOf(engine, 'perdure_step_run_time_seconds_count', { step: 'step-299' }), 1)
    assert.equal(metricOf(engine, 'perdure_step_run_time_seconds_count', { step: 'step-300' }), undefined)
    assert.equal(metricOf(engine, 'perdure_step_run_time_seconds_count', { step: 'other' }), 100)
  })

  test('switched off, nothing is observed; settings that make no sense are refused', async () => {
    await using engine = await open({ metrics: false })
    await (await engine.start(order, 0)).result()
    assert.throws(() => engine.metricsText(), { code: 'ARGUMENT_INVALID' })
    await assert.rejects(open({ metrics: { targetWait: 0 } }), { code: 'ARGUMENT_INVALID' })
    await assert.rejects(open({ metrics: { targetWait: 'soon' } }), { code: 'DURATION_INVALID' })
    await assert.rejects(open({ metrics: { wait: 1 } }), { code: 'ARGUMENT_INVALID' })
  })
})
