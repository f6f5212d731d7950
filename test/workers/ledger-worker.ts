/** A worker process that writes a line into a ledger for each task that it runs, and is killed at some time. */
import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { createWorker, silentLogger, task } from '../../src/index.ts'

const [, , url = '', ledger = '', id = ''] = process.argv
// The test holds the other end: its death ends this process too.
process.stdin.on('end', () => process.exit(1)).resume()

const pay = task({
  name: 'pay',
  run: async ({ idempotencyKey }, n: number) => {
    await pause(n % 40)
    appendFileSync(ledger, `${idempotencyKey}\t${id}\n`)
    await pause(n % 7)
    return n
  },
})

await createWorker({ url, tasks: [pay], concurrency: 16, id, logger: silentLogger })
console.log('connected')
