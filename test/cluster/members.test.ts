/** Members of a cluster in simulated time, whose coordinator is honest, or is not. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Coordinator, DatabaseCoordinator } from '../../src/engine/cluster/coordinator.ts'
import { simulate, World } from './member-world.ts'

const SEEDS = 100
const LYING_SEEDS = 40

describe('members of a cluster', () => {
  test(`${SEEDS} seeds: nobody is fenced who lives, no shard has two owners, each gets one in the end`, async () => {
    let fences = 0
    for (let seed = 1; seed <= SEEDS; seed++) fences += await fencesOf(seed)
    assert.ok(fences > SEEDS, `${fences} sessions were fenced`)
  })

  test('a seed is the same each time', async () => {
    for (const seed of [1, 2, 3])
      assert.equal((await simulate(new World(seed))).trace, (await simulate(new World(seed))).trace)
  })

  test(`${LYING_SEEDS} seeds with a coordinator that lies: it costs fences and moves, and no shard has two owners`, async () => {
    let fences = 0
    let lies = 0
    for (let seed = 1; seed <= LYING_SEEDS; seed++)
      fences += await fencesOf(seed, (world) => lying(world, () => (lies += 1)))
    assert.ok(lies > 100 * LYING_SEEDS, `${lies} lies`)
    assert.ok(fences > 5 * LYING_SEEDS, `${fences} sessions were fenced`)
  })
})

async function fencesOf(seed: number, coordinatorOf?: (world: World) => Coordinator): Promise<number> {
  try {
    return (await simulate(new World(seed, coordinatorOf))).fences
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

/** Until the faults are over it says of anybody that he is dead, and of anybody that he is to lead, or that nobody is. */
function lying(world: World, count: () => void): Coordinator {
  const honest = new DatabaseCoordinator()
  return {
    open: () => honest.open(),
    enter: () => honest.enter(),
    hint: (session) => honest.hint(session),
    suspects: (view, others) => {
      const named = honest.suspects(view, others)
      if (world.isCalm) return named
      count()
      return others.filter(() => world.random() < 0.03).map(({ id }) => id)
    },
    leadership: (view, session) => {
      if (world.isCalm) return honest.leadership(view, session)
      count()
      return world.random() < 0.3 ? { role: 'candidate', from: view.leader } : { role: 'follower' }
    },
    close: () => honest.close(),
  }
}
