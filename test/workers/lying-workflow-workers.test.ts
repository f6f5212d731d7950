// Workers of workflow code that say anything of any run: the run is parked, or the connection ended, and nobody else notices.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import fc from 'fast-check'
import { WebSocket } from 'ws'
import { createEngine, signal, silentLogger, task, workflow } from '../../src/index.ts'
import { platformFailure } from '../../src/protocol/failure.ts'
import type { Payload } from '../../src/protocol/payload.ts'
import { WORKER_PROTOCOL } from '../../src/protocol/worker-messages.ts'
import { until } from '../tasks/task-fixtures.ts'

const CASES = 1000
const RUNS = 2
const VALUE: Payload = [1, 'json', null, 1]
const FAILURE = platformFailure('CANCELLED', 'enough')

const go = signal<number>('go')
const lied = workflow({ name: 'lied', run: async () => 'never run here' })
const honest = workflow({
  name: 'honest',
  run: async (ctx, n: number) => {
    const first = await ctx.step('add', async () => n + 1)
    return first + (await ctx.waitFor(go))
  },
})
const idle = task({ name: 'idle', run: async () => 'done' })

/** Numbers that are right now and then: operations, runs, places of the journal, calls. */
const small = fc.nat({ max: 4 })
const anyNumber = fc.oneof({ weight: 6, arbitrary: small }, fc.constantFrom(-1, 0.5, 2 ** 53, 1e300))
const op = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 3 }) }, anyNumber)
const word = fc.constantFrom('add', 'go', 'honest', 'lied', 'idle', 'bystander', 'default', '')
const value = fc.constantFrom<unknown>(VALUE, [1, 'json', null, 'x'], [2, 'json', null, 1], null, 7)
const failure = fc.constantFrom<unknown>(FAILURE, { kind: 'application', name: 'E', message: 'm' }, {}, null)
const command = fc.oneof(
  fc.record({ kind: fc.constant('step'), op, name: word }),
  fc.record({ kind: fc.constant('sleep'), op, delayMs: anyNumber }),
  fc.record({ kind: fc.constant('wait'), op, signal: word, timeoutMs: anyNumber }),
  fc.record({
    kind: fc.constant('child'),
    op,
    workflow: word,
    version: fc.constant('1'),
    workflowId: word,
    input: value,
    closePolicy: fc.constantFrom('terminate', 'abandon', 'nonsense'),
  }),
  fc.record({
    kind: fc.constant('task'),
    op,
    name: word,
    queue: word,
    input: value,
    options: fc.constant({}),
  }),
  fc.record({ kind: fc.constant('drop'), op }),
  fc.record({ kind: fc.constant('cancel-child'), op, reason: word }),
  fc.record({ kind: fc.constant('signal-child'), op, childOp: op, signal: word, payload: value }),
  fc.record({ kind: fc.constant('consume'), seq: anyNumber }),
  fc.record({
    kind: fc.constant('attributes'),
    op,
    values: fc.constantFrom<unknown>({ a: 'b' }, { a: {} }, 1),
  }),
  fc.record({ kind: fc.constant('patch'), id: word }),
  fc.record({ kind: fc.constant('update-result'), updateId: word, result: value }),
  fc.record({ kind: fc.constant('complete'), result: value }),
  fc.record({ kind: fc.constant('fail'), failure }),
  fc.record({ kind: fc.constant('cancelled'), reason: word }),
  fc.record({ kind: fc.constant('continue'), input: value }),
  fc.record({ kind: fc.constant('nonsense'), op }),
)
/** Most name a run that is there; the others one that was never activated, which ends the connection. */
const run = fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 1, max: RUNS }) }, anyNumber)
const commands = fc.array(command, { maxLength: 3 })
const report = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('turn'), run, seen: small, idle: fc.boolean(), commands }),
  },
  fc.record({ type: fc.constant('turn'), run, seen: small, idle: fc.boolean(), parked: failure }),
  fc.record({ type: fc.constant('step-completed'), run, op, attempt: small, result: value }),
  fc.record({ type: fc.constant('step-failed'), run, op, attempt: small, failure }),
  fc.record({ type: fc.constant('answer'), run, call: small, result: value }),
  fc.record({ type: fc.constant('verdict'), run, call: small, verdict: fc.constantFrom('accepted', 'no') }),
  fc.record({ type: fc.constant('waiting'), run, call: small, waits: fc.constant([]) }),
  fc.record({ type: fc.constant('leave') }),
)
const frames = fc.array(fc.array(report, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 })

/** Connects a worker that has the code of `lied`, in words. */
async function liar(url: string) {
  const socket = new WebSocket(url, [WORKER_PROTOCOL])
  let activated = 0
  socket.on('message', (data) => {
    for (const { type } of JSON.parse(String(data))) if (type === 'activate') activated += 1
  })
  await once(socket, 'open')
  const hello = { type: 'hello', namespace: 'default', tasks: [], credits: 1 }
  socket.send(JSON.stringify([{ ...hello, workflows: [{ name: 'lied', version: '1' }] }]))
  await once(socket, 'message')
  const end = once(socket, 'close')
  return { socket, end, activated: () => activated }
}

test(`${CASES} lying workers of workflows change no run but their own`, async () => {
  let failed: Error | undefined
  await using engine = await createEngine({
    store: 'memory',
    workflows: [honest],
    tasks: [idle],
    logger: silentLogger,
    shutdownGrace: 0,
    onFailed: (error) => {
      failed = error
    },
  })
  const { url } = await engine.listen()
  let cases = 0
  await fc.assert(
    fc.asyncProperty(frames, async (said) => {
      const name = `case${++cases}`
      const { socket, end, activated } = await liar(url)
      const bystander = await engine.start(honest, 1, { id: `${name}/bystander` })
      const runs = await Promise.all(
        Array.from({ length: RUNS }, (_, i) => engine.start(lied, undefined, { id: `${name}/${i}` })),
      )
      await until(() => activated() >= RUNS)
      for (const frame of said) if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame))
      socket.close()
      await end
      assert.equal(failed, undefined)
      await bystander.signal(go, 2)
      assert.equal(await bystander.result(), 4)
      const types = (await bystander.history()).map(({ event }) => event.type)
      assert.deepEqual(types, [
        'execution-started',
        'step-completed',
        'signal-received',
        'execution-completed',
      ])
      for (const each of runs) {
        const seqs = (await each.history()).map(({ seq }) => seq)
        assert.deepEqual(
          seqs,
          Array.from(seqs, (_, at) => at + 1),
        )
      }
      // With the children that the lies have started.
      const { executions } = await engine.list({ status: ['running', 'parked'], limit: 100 })
      for (const { id } of executions)
        await engine
          .execution(lied, id)
          .terminate()
          .catch(() => {})
      assert.equal(failed, undefined)
    }),
    { numRuns: CASES },
  )
})
