/** Gives a payload of 100 MiB to every call that takes one, and tells what it answered and how far memory grew. */
import {
  createEngine,
  type PerdureError,
  query,
  signal,
  silentLogger,
  update,
  workflow,
} from '../../src/index.ts'

const MIB = 2 ** 20

const VALUES: Readonly<Record<string, () => unknown>> = {
  text: () => 'x'.repeat(100 * MIB),
  'wide text': () => '\u20ac'.repeat(34 * MIB),
  bytes: () => new Uint8Array(100 * MIB),
  'many bytes': () => Array.from({ length: 100 }, () => new Uint8Array(MIB)),
  numbers: () => new Array<number>(12 * MIB).fill(1.5),
  'a nested text': () => ({ a: { b: [new Map([['c', 'x'.repeat(100 * MIB)]])] } }),
}

const go = signal<unknown>('go')
const ask = query<unknown, unknown>('ask')
const change = update<unknown, unknown>('change')

const value = VALUES[process.argv[2] ?? '']?.()
if (value === undefined) throw new Error(`there is no value ${process.argv[2]}`)
// A text that was made of parts is joined when it is first read: that memory is the caller's.
if (typeof value === 'string') value.charCodeAt(1)

const waiting = workflow({
  name: 'waiting',
  run: async (ctx, input: unknown) => {
    ctx.onQuery(ask, () => value)
    ctx.onUpdate(change, () => value)
    if (input === 'step') await ctx.step('large', () => value)
    if (input === 'result') return value
    if (input === 'child') await ctx.child(waiting, value)
    await ctx.waitFor(go)
    return 'fine'
  },
})

const engine = await createEngine({
  store: `sqlite:${process.argv[3]}`,
  workflows: [waiting],
  logger: silentLogger,
})
const execution = await engine.start(waiting, 'wait')
const failing = async (input: string): Promise<unknown> => {
  const failed: Error = await (await engine.start(waiting, input)).result().then(
    () => new Error('it completed'),
    (error) => error.cause,
  )
  throw failed
}
const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  start: () => engine.start(waiting, value),
  signalWithStart: () => engine.signalWithStart(waiting, 1, go, value, { id: 'sws' }),
  signal: () => execution.signal(go, value),
  query: () => execution.query(ask, value),
  'query answer': () => execution.query(ask),
  update: () => execution.update(change, value),
  'update answer': () => execution.update(change, 1),
  step: () => failing('step'),
  result: () => failing('result'),
  child: () => failing('child'),
}

const answers: Record<string, string> = {}
const before = process.resourceUsage().maxRSS
for (const [name, call] of Object.entries(calls)) {
  answers[name] = await call().then(
    () => 'accepted',
    (error: PerdureError) => codes(error).join(' '),
  )
}
const grownMib = (process.resourceUsage().maxRSS - before) / 1024
await execution.signal(go, 1)
const result = await execution.result()
await engine.close()
console.log(JSON.stringify({ answers, grownMib, result }))

function codes(error: unknown): string[] {
  if (!(error instanceof Error)) return []
  return [...('code' in error ? [String(error.code)] : [error.message]), ...codes(error.cause)]
}
