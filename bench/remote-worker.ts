/** A worker in a process of its own, for the benchmark of the queue: it says when it is ready, and connects when it is told. */
import { once } from 'node:events'
import { workRemotely } from './queue-run.ts'

const [, , url = '', concurrency = ''] = process.argv
process.stdin.on('end', () => process.exit(0))
console.log('ready')
await once(process.stdin, 'data')
process.stdin.resume()
await workRemotely(url, Number(concurrency))
