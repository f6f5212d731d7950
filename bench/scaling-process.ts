/** A node or a worker of the benchmark of scaling, in a process of its own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, createWorker, silentLogger, task } from '../src/index.ts'

const [, , role = '', target = '', name = ''] = process.argv

/** Waits, as for a disk or a network. */
export const waits = task({ name: 'waits', run: () => sleep(50) })

/** Computes for about 5 ms. */
export const computes = task({
  name: 'computes',
  run: () => {
    const endMs = performance.now() + 5
    let sum = 0
    while (performance.now() < endMs) for (let i = 0; i < 1000; i++) sum += Math.sqrt(i)
    return sum > 0
  },
})

const logger = silentLogger
if (role === 'worker') {
  await createWorker({ url: target.split(','), tasks: [waits, computes], concurrency: 64, logger })
  process.send?.({ url: '' })
} else if (role === 'node') {
  const engine = await createEngine({ store: target, cluster: { name }, logger })
  process.send?.({ url: engine.url })
} else if (role === 'computing-node') {
  const engine = await createEngine({
    store: target,
    cluster: { name },
    tasks: [computes],
    taskConcurrency: 2,
    logger,
  })
  process.send?.({ url: engine.url })
}
process.once('disconnect', () => process.exit(0))
