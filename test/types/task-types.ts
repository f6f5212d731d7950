// Types of calls about tasks, checked by `tsc`: nothing here runs.
import { type Engine, task } from '../../src/index.ts'

const bare = task({ name: 'bare', run: () => 1 })
const optional = task({ name: 'optional', run: (_, _word?: string) => 1 })
const needing = task({ name: 'needing', run: (_, _word: string) => 1 })

export async function enqueues(engine: Engine): Promise<void> {
  await engine.enqueue(bare)
  await engine.enqueue(bare, undefined, { priority: 3 })
  await engine.enqueue(optional)
  await engine.enqueue(optional, 'a', { id: 'b' })
  await engine.enqueue(needing, 'a')
  // @ts-expect-error its input is missing
  await engine.enqueue(needing)
  // @ts-expect-error its input is a text
  await engine.enqueue(needing, 3)
}
