/** A worker in a process of its own, for the benchmark of time slices. Arguments: the URL, what it is called. */
import { setTimeout as pause } from 'node:timers/promises'
import { createWorker, task } from '../src/index.ts'
import { SLICED_TASK, type SlicedInput } from './slices-run.ts'

const [, , url = '', id = ''] = process.argv
process.stdin.on('end', () => process.exit(0)).resume()

/** Service of each key, ms: as measured here. */
const served = new Map<string, number>()
const PIECE_MS = 5

const sliced = task({
  name: SLICED_TASK,
  run: async (context, { key, lastsMs }: SlicedInput) => {
    const beganMs = performance.now()
    const before = (context.checkpoint as number | undefined) ?? 0
    const own = (): number => performance.now() - beganMs
    const count = (): void => void served.set(key, (served.get(key) ?? 0) + own())
    while (before + own() < lastsMs) {
      await pause(PIECE_MS)
      if (!context.shouldYield) continue
      count()
      context.yield(before + own())
    }
    count()
  },
})

await createWorker({ url, id, tasks: [sliced], concurrency: 2 })
process.stdout.write('ready\n')
process.on('SIGUSR2', () => process.stdout.write(`${JSON.stringify(Object.fromEntries(served))}\n`))
