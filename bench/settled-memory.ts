/** Memory of a process, before and after a collection of all garbage. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Memory {
  /** As it is when the work is done. */
  readonly rssMiB: number
  /** After a collection of all garbage, which a process that is left alone comes to by itself within 15 s. */
  readonly settledRssMiB: number
}

const SETTLE_MS = 200
const SETTLE_TURNS = 3

export async function settledMemory(): Promise<Memory> {
  const rssMiB = process.memoryUsage.rss() / 2 ** 20
  // Not a flag of the process: it would be one of the measured parts too.
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new Error('there is no garbage collector to call')
  for (let turn = 0; turn < SETTLE_TURNS; turn++) {
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    await new Promise<void>((resolve) => void setTimeout(resolve, SETTLE_MS))
  }
  return { rssMiB, settledRssMiB: process.memoryUsage.rss() / 2 ** 20 }
}
