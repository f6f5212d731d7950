/** A worker process that writes a line into a ledger for each task and step that it runs, and is killed at some time. */
import { appendFileSync } from 'node:fs'
import { createWorker, silentLogger } from '../../src/index.ts'
import { orderDefinitions } from './order-definitions.ts'

const [, , url = '', ledger = '', id = ''] = process.argv
// The test holds the other end: its death ends this process too.
process.stdin.on('end', () => process.exit(1)).resume()

const { pay, order } = orderDefinitions((key) => appendFileSync(ledger, `${key}\t${id}\n`))

await createWorker({ url, tasks: [pay], workflows: [order], concurrency: 16, id, logger: silentLogger })
console.log('connected')
