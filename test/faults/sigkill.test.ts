/** The process is killed at random instants, 200 times, and started again on the same file. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashRun } from './crash-run.ts'
import { checkEvidence } from './file-checker.ts'

const CRASHES = 200

test('200 SIGKILLs at random instants lose nothing that was acknowledged and run no recorded step again', async (t) => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const result = await crashRun({ seed, crashes: CRASHES })
  const { log, contents, ledger } = result
  t.diagnostic(
    `${result.crashes} kills, ${result.inFlight} with work in flight, ${result.whileOpening} while opening; ` +
      `${log.driven.size} cases, ${contents.runs.size} runs, ${log.acknowledgements} acknowledgements, ${ledger.length} steps`,
  )
  assert.equal(result.unfinished, undefined, `seed ${seed}`)
  assert.deepEqual(log.rejections, [], `seed ${seed}`)
  assert.deepEqual(log.failures, [], `seed ${seed}`)
  assert.deepEqual(checkEvidence(result), [], `seed ${seed}`)
  assert.ok(result.inFlight > CRASHES * 0.9, `${result.inFlight} of ${CRASHES} kills hit work in flight`)
  assert.equal(log.ends.size, log.driven.size)
})
