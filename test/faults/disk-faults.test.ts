/** The disk is full, a sync fails, a sync is slow: the engine stops with a clear error or goes on, and never lies. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Randomness, seededRandomness } from '../../src/platform/randomness.ts'
import { type CrashResult, crashRun } from './crash-run.ts'
import { notRunReason, shimLibrary } from './fault-shim.ts'
import { checkEvidence } from './file-checker.ts'

const skip = notRunReason('disk faults')
const LIVES = 12
const seed = Date.now() % 1_000_000

/** Each life but the last meets the fault at an instant of its own. */
function faultyRun(fault: (random: Randomness) => NodeJS.ProcessEnv, lives = LIVES): Promise<CrashResult> {
  const random = seededRandomness(seed)
  return crashRun({
    seed,
    crashes: lives,
    inFlight: 16,
    closingShare: 0,
    endsItselfWithinMs: 10_000,
    environment: (file, life) =>
      life === lives ? {} : { LD_PRELOAD: shimLibrary(), PERDURE_SHIM_FILE: file, ...fault(random) },
  })
}

function assertStopped({ log, unfinished }: CrashResult, said: RegExp): void {
  assert.equal(unfinished, undefined, `seed ${seed}`)
  assert.equal(log.failures.length, LIVES, `every life stopped by itself; seed ${seed}`)
  for (const { code, message } of log.failures) {
    assert.equal(code, 'STORE_FAILED', message)
    assert.match(message, said)
    assert.match(message, /Mend the disk .* and start the engine again/)
  }
  // Every call that waited was told; so was every call after.
  for (const { code, message } of log.rejections) assert.match(code, /^(ENGINE|STORE)_FAILED$/, message)
  assert.ok(log.rejections.length >= LIVES)
}

describe('a disk that fails', { skip }, () => {
  test('full: the engine stops, nothing is acknowledged falsely, and the next start goes on', async () => {
    const result = await faultyRun((random) => ({
      PERDURE_SHIM_FULL_AFTER: String(Math.floor(300_000 + random() * 400_000)),
    }))
    assertStopped(result, /full/)
    assert.deepEqual(checkEvidence(result), [], `seed ${seed}`)
  })

  test('a sync fails once: the engine stops, and what is unknown is settled by the next start', async () => {
    const result = await faultyRun((random) => ({
      PERDURE_SHIM_EIO_AT: String(Math.floor(8 + random() * 20)),
    }))
    assertStopped(result, /I\/O error/)
    assert.deepEqual(checkEvidence(result), [], `seed ${seed}`)
  })

  test('slow syncs of 200 ms: everything works', async () => {
    const result = await crashRun({
      seed,
      crashes: 0,
      inFlight: 12,
      lastCases: 12,
      environment: (file) => ({
        LD_PRELOAD: shimLibrary(),
        PERDURE_SHIM_FILE: file,
        PERDURE_SHIM_SLOW_MS: '200',
      }),
    })
    assert.equal(result.unfinished, undefined)
    assert.deepEqual(result.log.rejections, [])
    assert.deepEqual(checkEvidence(result), [])
    assert.equal(result.log.ends.size, 12)
  })
})
