/** A node of the benchmark of fail-over, in a process of its own. */
import { createEngine, silentLogger } from '../src/index.ts'
import { ticking } from './failover-workflow.ts'

const [, , store = '', name = ''] = process.argv

const engine = await createEngine({
  store,
  cluster: { name },
  workflows: [ticking],
  logger: silentLogger,
  idleExecutions: 5000,
  onFailed: (error) => {
    console.error(name, error)
    process.exit(3)
  },
})
process.send?.({ url: engine.url })
process.on('message', (message) => {
  if (message === 'leave') void engine.close().then(() => process.disconnect())
})
process.once('disconnect', () => process.exit(0))
