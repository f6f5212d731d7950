/** An engine in a process of its own, to be killed: it carries out requests, and cannot delete them. */
import { createEngine, silentLogger, task, workflow } from '../../src/index.ts'
import { createPostgresStore } from '../../src/store/postgres/postgres-store.ts'

const [, , url = ''] = process.argv
const store = await createPostgresStore(url)
store.requests.report = () => new Promise(() => {})
await createEngine({
  store,
  workflows: [workflow({ name: 'count', run: (ctx, input: number) => ctx.step('run', () => input) })],
  tasks: [task({ name: 'note', queue: 'notes', run: (_, input: number) => input })],
  logger: silentLogger,
})
process.send?.('open')
// Without its parent it has no purpose.
process.on('disconnect', () => process.exit(0))
