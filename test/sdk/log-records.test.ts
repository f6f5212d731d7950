// What records of a log say about where they come from.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine, createWorker, jsonLogger, type Logger, task, workflow } from '../../src/index.ts'

interface Line {
  readonly msg: string
  readonly [field: string]: unknown
}

function written(): { readonly logger: Logger; readonly lines: Line[] } {
  const lines: Line[] = []
  return { logger: jsonLogger('debug', (line) => void lines.push(JSON.parse(line))), lines }
}

function fieldsOf(lines: readonly Line[], message: string, names: readonly string[]): unknown {
  const line = lines.find(({ msg }) => msg === message)
  assert.ok(line, `'${message}' was not logged`)
  return Object.fromEntries(names.map((name) => [name, line[name]]))
}

const taskIds: string[] = []
const mail = task({
  name: 'mail',
  run: (ctx, to: string) => {
    taskIds.push(ctx.id)
    ctx.log.info('in a task', { password: to })
    return to
  },
})
const order = workflow({
  name: 'order',
  run: async (ctx, id: string) => {
    ctx.log.info('in a workflow', { token: id })
    await ctx.step('charge', ({ log }) => log.info('in a step', { secret: id }))
    return ctx.task(mail, id)
  },
})

test('of an engine: the execution, the step and its attempt, the task; and no secret', async () => {
  const { logger, lines } = written()
  await using engine = await createEngine({
    store: 'memory',
    namespace: 'billing',
    workflows: [order],
    tasks: [mail],
    logger,
  })
  const execution = await engine.start(order, 'o-17-secret', { id: 'order-17' })
  await execution.result()
  const { runId } = await execution.describe()
  const about = { namespace: 'billing', workflowId: 'order-17', runId }
  assert.deepEqual(fieldsOf(lines, 'in a workflow', [...Object.keys(about), 'token']), {
    ...about,
    token: '[redacted]',
  })
  assert.deepEqual(fieldsOf(lines, 'in a step', [...Object.keys(about), 'step', 'attempt', 'secret']), {
    ...about,
    step: 'charge',
    attempt: 1,
    secret: '[redacted]',
  })
  assert.deepEqual(fieldsOf(lines, 'in a task', ['task', 'taskId', 'attempt', 'password']), {
    task: 'mail',
    taskId: taskIds[0],
    attempt: 1,
    password: '[redacted]',
  })
  assert.ok(!JSON.stringify(lines).includes('o-17-secret'))
})

test('of workflow code on a worker: they come to the engine with the execution, and without the secret', async () => {
  const { logger, lines } = written()
  const own = written()
  const seen: unknown[] = []
  const kept: Logger = { ...logger, info: (...record) => void seen.push(record) }
  await using engine = await createEngine({ store: 'memory', logger: kept })
  const { url } = await engine.listen()
  await using _ = await createWorker({ url, workflows: [order], tasks: [mail], logger: own.logger })
  const execution = await engine.start(order, 'o-18-secret', { id: 'order-18' })
  await execution.result()
  const record = seen.find((each) => Array.isArray(each) && each[0] === 'in a workflow')
  const { runId } = await execution.describe()
  assert.deepEqual(record, [
    'in a workflow',
    { namespace: 'default', workflowId: 'order-18', runId, token: '[redacted]' },
  ])
  assert.deepEqual(fieldsOf(own.lines, 'in a step', ['namespace', 'workflowId', 'runId', 'step']), {
    ...{ namespace: 'default', workflowId: 'order-18', runId },
    step: 'charge',
  })
  assert.ok(!JSON.stringify([lines, own.lines, seen]).includes('o-18-secret'))
})
