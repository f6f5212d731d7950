/**
 * A client in a process of its own: executions of the workload, some at a time, each started, signalled and waited for. Writes a
 * log of all that it was told. Ends when it is told to, after the executions that are under way.
 */
import { openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, silentLogger } from '../../src/index.ts'
import { expectedOf, go, parentOf } from '../postgres/cluster-workload.ts'
import type { ClientEntry } from './client-log.ts'

export interface ClientSettings {
  readonly name: string
  readonly nodes: readonly string[]
  readonly file: string
  /** Executions at a time. */
  readonly lanes: number
  /** Between two executions of a lane, ms. */
  readonly pauseMs: number
}

const SIGNAL = 7
/** Every so many executions a result that was read before is read again. */
const READ_AGAIN_EVERY = 10

const settings = JSON.parse(process.argv[2] ?? '') as ClientSettings
const { name, nodes, file, lanes, pauseMs } = settings
const log = openSync(file, 'a')
const remote = await connect([...nodes], { logger: silentLogger })
let isOver = false

type Entry = ClientEntry extends infer Each ? (Each extends unknown ? Omit<Each, 'at'> : never) : never

function note(entry: Entry): void {
  writeSync(log, `${JSON.stringify({ at: Date.now(), ...entry })}\n`)
}

/** What a caller must do itself: it was not told whether the node that it had asked has done it. All calls have ids. */
async function again<T>(id: string, call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : ''
      if (code !== 'CONNECTION_LOST' && code !== 'ENGINE_CLOSED') throw error
      note({ kind: 'again', id, code })
    }
    await sleep(20)
  }
}

async function timed<T>(
  id: string,
  call: () => Promise<T>,
): Promise<{ readonly value: T; readonly tookMs: number }> {
  const fromMs = performance.now()
  const value = await again(id, call)
  return { value, tookMs: Math.round(performance.now() - fromMs) }
}

async function one(id: string, value: number): Promise<void> {
  const started = await timed(id, () => remote.start(parentOf, value, { id }))
  note({ kind: 'acknowledged', call: 'start', id, tookMs: started.tookMs })
  const signalled = await timed(id, () => started.value.signal(go, SIGNAL, { requestId: `go-${id}` }))
  note({ kind: 'acknowledged', call: 'signal', id, tookMs: signalled.tookMs })
  const ended = await timed(id, () => started.value.result())
  note({ kind: 'result', id, value: ended.value, tookMs: ended.tookMs })
  if (ended.value !== expectedOf(value, SIGNAL))
    note({ kind: 'error', id, error: `the result is ${ended.value}, not ${expectedOf(value, SIGNAL)}` })
}

async function readAgain(id: string, value: number): Promise<void> {
  const result = await again(id, () => remote.execution(parentOf, id).result())
  if (result !== expectedOf(value, SIGNAL))
    note({ kind: 'error', id, error: `read again, the result is ${result}` })
}

async function lane(number: number): Promise<void> {
  for (let i = 0; !isOver; i++) {
    const idOf = (index: number): string => `${name}-${number}-${index}`
    const inputOf = (index: number): number => number * 100_000 + index
    try {
      await one(idOf(i), inputOf(i))
      const before = Math.floor(i / 2)
      if (i % READ_AGAIN_EVERY === READ_AGAIN_EVERY - 1) await readAgain(idOf(before), inputOf(before))
    } catch (error) {
      note({ kind: 'error', id: idOf(i), error: String(error) })
      await sleep(100)
    }
    if (pauseMs > 0) await sleep(pauseMs)
  }
}

process.on('message', (message) => {
  if (message === 'stop') isOver = true
})
// Without its parent it has no purpose.
process.on('disconnect', () => process.exit(1))
process.send?.('ready')
await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
await remote.close()
process.exit(0)
