/**
 * Changes administrative objects at any node, each one after the other: what was answered stays so, is done once, and is known to
 * every node in the end.
 */
import type { Randomness } from '../../../src/platform/randomness.ts'
import type { Calls } from '../calls.ts'
import { randomFor } from '../fault-plan.ts'
import { registryOf } from '../instance.ts'
import type { World } from '../world.ts'
import type { NodeProcess } from './node-process.ts'

const KIND = 'counter'
const IDS = ['a', 'b', 'c']
const THINK_MS = 3000

export class RegistryClient {
  readonly #world: World
  readonly #calls: Calls
  /** Of its own: what the other clients draw does not depend on it. */
  readonly #random: Randomness
  /** Revisions that are known to be done, by the ids of the objects. */
  readonly #known = new Map<string, number>()

  constructor(world: World, calls: Calls) {
    this.#world = world
    this.#calls = calls
    this.#random = randomFor(world.seed, 'registry')
  }

  /** Until it is over, and all that was asked is answered. */
  async run(isOver: () => boolean): Promise<void> {
    await Promise.all(
      IDS.map(async (id) => {
        while (!isOver()) {
          await this.#calls.pause(1 + Math.floor(this.#random() ** 2 * THINK_MS))
          await this.#change(id)
        }
      }),
    )
  }

  /** Nothing is changed any more, and all nodes have had the time to look. */
  check(nodes: readonly NodeProcess[]): void {
    const { faults, state } = this.#world
    for (const id of IDS) {
      const known = this.#known.get(id) ?? 0
      const [row] = state.registry.list({ limit: 9 }).filter((each) => each.id === id)
      if ((row?.revision ?? 0) !== known)
        faults.push(
          `object ${id} was answered with revision ${known}, and has ${row?.revision ?? 0} in the end`,
        )
      for (const { name, engine } of nodes) {
        const entry = engine === undefined ? undefined : registryOf(engine).get(KIND, '', id)
        if ((entry?.revision ?? 0) !== known || (row?.body ?? null) !== bodyText(entry?.body))
          faults.push(
            `${name} has revision ${entry?.revision ?? 0} of object ${id}, and ${known} was answered`,
          )
      }
    }
  }

  async #change(id: string): Promise<void> {
    const { faults } = this.#world
    const known = this.#known.get(id) ?? 0
    let asked = 0
    const entry = await this.#calls.ofTask('registry.put', id, ['REVISION_CONFLICT'], (engine) => {
      asked += 1
      return registryOf(engine).put(
        { kind: KIND, namespace: '', id },
        { after: known },
        { ifRevision: known },
      )
    })
    // Its client was lost before it was answered, asked again as another one, and met what it had done itself.
    if (entry === undefined && asked < 2)
      faults.push(`object ${id} is changed by one client alone, and its revision is not ${known}`)
    if (entry !== undefined && entry.revision !== known + 1)
      faults.push(`a change of object ${id} for revision ${known} made revision ${entry.revision}`)
    this.#known.set(id, known + 1)
  }
}

function bodyText(body: unknown): string | null {
  return body === undefined ? null : JSON.stringify(body)
}
