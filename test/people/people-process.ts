// An engine in a process of its own, whose human tasks others do. Arguments: the file, the port, how many executions.
// It says `listening`, and runs until it is killed.
import { createEngine, silentLogger } from '../../src/index.ts'
import { paying } from './paying.ts'

const [file = '', port = '0', executions = '0'] = process.argv.slice(2)
const engine = await createEngine({ store: `sqlite:${file}`, workflows: [paying], logger: silentLogger })
for (let i = 0; i < Number(executions); i++) await engine.start(paying, i, { id: `pay-${i}` })
await engine.listen({ port: Number(port) })
process.stdout.write('listening\n')
