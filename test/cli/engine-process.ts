// An engine in a process of its own. Arguments: the file, and `idle` or `busy`. It says `ready`, and runs until it is
// killed; an `idle` one closes when its standard input ends.

import { createEngine, silentLogger } from '../../src/index.ts'
import { fulfilOrder, workflows } from './order-workflows.ts'

const [file = '', mode] = process.argv.slice(2)
const engine = await createEngine({
  store: `sqlite:${file}`,
  workflows,
  logger: silentLogger,
  shutdownGrace: 0,
})
const wait = await engine.start(
  fulfilOrder,
  { customer: 'ada', total: 1, fate: 'wait' },
  { id: 'order-first' },
)
await wait.history()
process.stdout.write(`ready ${process.pid}\n`)

if (mode === 'busy') {
  for (let i = 0; ; i++) {
    await engine.start(fulfilOrder, { customer: 'bob', total: i, fate: 'churn' }, { id: `churn-${i}` })
    await engine.start(fulfilOrder, { customer: 'bob', total: i, fate: 'fail' }, { id: `fail-${i}` })
    await new Promise((resolve) => setImmediate(resolve))
  }
}
process.stdin.resume()
process.stdin.on('end', () => void engine.close())
