// An engine in a process of its own whose queue gets one policy after the other. Arguments: the file, the ledger, a seed.
// It says `ran` when the first task has, and `answered REVISION POLICY` for each change, and runs until it is killed.

import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine, silentLogger, task } from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'

const [file = '', ledger = '', seed = '1'] = process.argv.slice(2)
const random = seededRandomness(Number(seed))
let hasRun = false
const noted = task({
  name: 'noted',
  run: (_, n: number) => {
    appendFileSync(ledger, `${n}\n`)
    if (!hasRun) process.stdout.write('ran\n')
    hasRun = true
  },
})
const engine = await createEngine({
  store: `sqlite:${file}`,
  tasks: [noted],
  logger: silentLogger,
  queues: [{ name: 'default', rate: { perSecond: 300 } }],
})
const policies = ['fcfs', 'sjf', 'priority', 'round-robin'] as const
for (;;) {
  // The first tasks are moved before any starts.
  await pause(100 + random() * 300)
  const policy = policies[Math.floor(random() * policies.length)] ?? 'fcfs'
  const keyConcurrency = random() < 0.5 ? 2 : null
  const { revision } = await engine.queues.set('default', { policy, keyConcurrency })
  process.stdout.write(`answered ${revision} ${policy}\n`)
}
