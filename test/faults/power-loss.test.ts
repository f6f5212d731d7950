/** The power goes 200 times: what was not synced is dropped, torn at sectors, or kept in any combination. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { notRunReason } from './fault-shim.ts'
import { checkEvidence } from './file-checker.ts'
import { powerLossRun } from './power-loss.ts'

const CUTS = 200
const seed = Date.now() % 1_000_000

describe('power loss', { skip: notRunReason('power loss') }, () => {
  test('200 cuts lose nothing that was acknowledged', async (t) => {
    const result = await powerLossRun({ seed, cuts: CUTS })
    const { log, contents, counters } = result
    t.diagnostic(`seed ${seed}; ${JSON.stringify(counters)}`)
    t.diagnostic(
      `${result.inFlight} cuts with work in flight, ${result.whileOpening} while opening; ${contents.runs.size} runs, ` +
        `${log.acknowledgements} acknowledgements`,
    )
    assert.equal(result.unfinished, undefined, `seed ${seed}`)
    assert.deepEqual(log.rejections, [], `seed ${seed}`)
    assert.deepEqual(log.failures, [], `seed ${seed}`)
    assert.deepEqual(checkEvidence(result), [], `seed ${seed}`)
    // The cuts did hurt.
    assert.ok(counters.withUnsynced > CUTS * 0.6, JSON.stringify(counters))
    assert.ok(counters.inCheckpoint > 0 && counters.tornWrites > 0, JSON.stringify(counters))
    assert.ok(counters.droppedWrites > CUTS, JSON.stringify(counters))
  })

  // Controls: the same run must find what is lost when the promise of durability is broken.
  test('a disk that only says that it synced is found out', async () => {
    await findLoss({ isLyingDisk: true })
  })

  test('a store that does not sync its commits is found out', async () => {
    await findLoss({ synchronous: 'normal' })
  })
})

/** Where the cuts fall is chance; on a busy machine 6 of them may all miss. So up to 5 seeds are tried. */
async function findLoss(broken: { isLyingDisk?: boolean; synchronous?: 'normal' }): Promise<void> {
  const wrong: string[] = []
  for (let next = seed; next < seed + 5; next += 1) {
    wrong.push(...checkEvidence(await powerLossRun({ seed: next, cuts: 6, ...broken })))
    if (wrong.some((line) => /^I[12]: /.test(line))) return
  }
  assert.fail(`seeds ${seed} to ${seed + 4}: ${wrong.join('\n') || 'nothing was found'}`)
}
