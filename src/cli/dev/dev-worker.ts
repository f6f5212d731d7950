/** The process of `perdure dev` that runs the code of the user. Arguments: URL, then files. */
import { jsonLogger } from '../../platform/logger.ts'
import { createWorker, type Worker } from '../../sdk/worker/create-worker.ts'
import { definitionsOf } from '../start/start-config.ts'
import { UsageError } from '../usage-error.ts'

/** To the process that has begun it. */
export type DevReport =
  | {
      readonly kind: 'ready'
      readonly workflows: readonly { readonly name: string; readonly version: string }[]
      readonly tasks: readonly string[]
      /** Exported settings of queues, which an engine takes only when it is made. */
      readonly hasQueues: boolean
    }
  | { readonly kind: 'failed'; readonly message: string; readonly remedy?: string }

/** A change is to be seen at once: what does not end by itself is done again by the new code. */
const GRACE = '1s'

const [url = '', ...files] = process.argv.slice(2)

function report(message: DevReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) throw new Error('dev-worker is a part of perdure dev')
    process.send(message, () => resolve())
  })
}

// Whoever has begun it is gone, and with it the engine.
process.once('disconnect', () => process.exit(1))

let worker: Worker | undefined
process.on('message', () => {
  // What is loading still has nothing to end.
  void Promise.resolve(worker?.close()).then(() => process.exit(0))
})

try {
  const { workflows, tasks, queues } = await definitionsOf(files)
  worker = await createWorker({
    url,
    workflows,
    tasks,
    shutdownGrace: GRACE,
    logger: jsonLogger('warn'),
  })
  await report({
    kind: 'ready',
    workflows: workflows.map(({ name, version }) => ({ name, version })),
    tasks: tasks.map(({ name }) => name),
    hasQueues: queues.length > 0,
  })
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  const remedy = error instanceof UsageError ? error.remedy : undefined
  await report({ kind: 'failed', message, ...(remedy === undefined ? {} : { remedy }) })
  process.exit(1)
}
