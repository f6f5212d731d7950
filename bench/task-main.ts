/** The process of one task: its name and order are arguments, what it has to say are JSON lines on standard output. */
import { writeSync } from 'node:fs'
import { tasks } from './tasks.ts'

const [, , name = '', order = '{}'] = process.argv
// The parent holds the other end: its death ends this process too.
process.stdin.on('end', () => process.exit(1)).resume()

const task: unknown = Object.hasOwn(tasks, name) ? tasks[name as keyof typeof tasks] : undefined
if (typeof task !== 'function') throw new Error(`no task is called '${name}'`)
const say = (line: object): void => void writeSync(1, `${JSON.stringify(line)}\n`)
const answer: unknown = await task(JSON.parse(order), (note: string, content: object = {}) =>
  say({ note, content }),
)
say({ answer })
process.exit(0)
