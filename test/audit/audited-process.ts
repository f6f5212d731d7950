// An engine whose calls are recorded, on the file of the first argument with the key of the second. It starts executions and
// cancels some, and says of each call when it is answered, until it is killed.
import { createEngine, silentLogger } from '../../src/index.ts'
import { waiting } from './audited-calls.ts'

const [file = '', signingKeyFile = '', life = ''] = process.argv.slice(2)
const engine = await createEngine({
  store: `sqlite:${file}`,
  workflows: [waiting],
  logger: silentLogger,
  audit: { signingKeyFile },
})
process.stdout.write('open\n')

async function client(number: number): Promise<void> {
  for (let i = 0; ; i++) {
    const id = `e-${life}-${number}-${i}`
    const execution = await engine.start(waiting, undefined, { id })
    process.stdout.write(`StartExecution ${id}\n`)
    if (i % 3 !== 0) continue
    await execution.cancel('enough')
    process.stdout.write(`CancelExecution ${id}\n`)
  }
}

await Promise.all([0, 1, 2, 3].map(client))
