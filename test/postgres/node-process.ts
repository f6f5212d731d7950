/** A node of a cluster in a process of its own, to be killed, stopped, or asked to leave. Says where it listens. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, silentLogger } from '../../src/index.ts'
import { squareTask, WORKFLOWS } from './cluster-workload.ts'

const [, , url = '', name = '', address = '', coordinator = ''] = process.argv
const logger =
  process.env.NODE_LOG === undefined
    ? silentLogger
    : {
        ...silentLogger,
        warn: (message: string, fields?: object) => console.error(name, 'warn', message, fields),
        error: (message: string, fields?: object) => console.error(name, 'error', message, fields),
      }

const engine = await createEngine({
  store: url,
  cluster: {
    name,
    handOver: '500ms',
    drain: '20s',
    ...(address === '' ? {} : { address }),
    ...(coordinator === '' ? {} : { coordinator }),
  },
  workflows: WORKFLOWS,
  tasks: [squareTask],
  logger,
  onFailed: (error) => {
    console.error(name, 'failed', error)
    process.exit(3)
  },
})
process.send?.({ url: engine.url })
const stateOf = () => ({ counters: engine.counters, shards: engine.shards })
process.on('message', (message) => {
  if (message === 'leave')
    void engine.close().then(() => {
      process.send?.({ left: true })
      process.disconnect()
    })
  else if (message === 'counters') process.send?.({ ...stateOf(), isAnswer: true })
})
let told = ''
// Without its parent it has no purpose.
while (process.connected) {
  const state = stateOf()
  const text = JSON.stringify(state)
  if (text !== told) process.send?.(state)
  told = text
  await sleep(200)
}
process.exit(0)
