/** A worker process with tracing: prints its spans, a JSON line, when its input ends. */
import { createWorker, silentLogger } from '../../src/index.ts'
import { recordSpans, takeSpans } from './span-recorder.ts'
import { tracedDefinitions } from './traced-definitions.ts'

const [, , url = '', kind = ''] = process.argv
recordSpans()
const { workflows, tasks } = tracedDefinitions()
const worker = await createWorker({
  url,
  ...(kind === 'workflows' ? { workflows } : { tasks }),
  tracing: true,
  logger: silentLogger,
})
console.log('connected')
process.stdin.resume().on('end', () => {
  void worker.close().then(() => {
    console.log(JSON.stringify(takeSpans()))
  })
})
