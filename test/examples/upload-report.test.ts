// The demo's judgement: when to kill, and what counts as a fault.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isKillMoment, type Progress, progressOf } from '../../examples/upload/kill-moment.ts'
import type { PutRecord } from '../../examples/upload/object-store.ts'
import type { RecordedTask, RecordedUpload } from '../../examples/upload/upload-journal.ts'
import { executionIdOf, type Manifest, partBytes } from '../../examples/upload/upload-manifest.ts'
import {
  type Findings,
  faultsOf,
  type Kill,
  putAgainAfterRecorded,
  recordedPartsLost,
  reportOf,
  tasksTakenOver,
  type WorkerKill,
} from '../../examples/upload/upload-report.ts'
import { shareTableOf, workerShares } from '../../examples/upload/worker-shares.ts'

function upload(parts: Record<number, number>, status = 'running', run = 'run-1'): RecordedUpload {
  const recorded = Object.entries(parts).map(
    ([part, recordedAtMs]) => [Number(part), { key: `${run}/${part}`, recordedAtMs }] as const,
  )
  return { status, parts: new Map(recorded), tasks: new Map(), failure: undefined }
}

const withTasks = (...tasks: RecordedTask[]): RecordedUpload => ({
  ...upload({}, 'completed'),
  tasks: new Map(tasks.map((task, index) => [index + 1, task])),
})

const put = (at: number, part: number, fault: PutRecord['fault'] = 'none'): PutRecord => ({
  at,
  name: 'a.bin',
  part,
  key: `run-1/${part}`,
  fault,
})

describe('parts PUT again', () => {
  // The engine was killed after three PUTs, when parts 0 and 1 were recorded.
  const puts = [put(10, 0), put(20, 1), put(30, 2)]
  const kill: Kill = { putsBefore: 3, uploads: new Map([['a.bin', upload({ 0: 11, 1: 21 })]]) }
  const atEnd = new Map([['a.bin', upload({ 0: 11, 1: 21, 2: 51 }, 'completed')]])

  test('a part that was not recorded may be PUT again', () => {
    assert.deepEqual([...putAgainAfterRecorded([...puts, put(50, 2)], kill, atEnd)], [])
  })

  test('a part whose completion was recorded before the kill may not, whatever the clock says', () => {
    assert.deepEqual(
      [...putAgainAfterRecorded([...puts, put(5, 1), put(50, 2)], kill, atEnd)],
      ['a.bin part 1'],
    )
  })

  test('nor may a part be PUT after its completion was recorded later', () => {
    assert.deepEqual(
      [...putAgainAfterRecorded([...puts, put(50, 2), put(60, 2)], kill, atEnd)],
      ['a.bin part 2'],
    )
    assert.deepEqual(
      [...putAgainAfterRecorded([...puts, put(50, 2), put(60, 2)], undefined, atEnd)],
      ['a.bin part 2'],
    )
  })

  test('a PUT that was refused counts as well', () => {
    assert.equal(putAgainAfterRecorded([...puts, put(50, 0, 'unavailable')], kill, atEnd).size, 1)
  })

  test('a recorded part is lost when it is gone or was made anew', () => {
    assert.equal(recordedPartsLost(kill, atEnd), 0)
    assert.equal(recordedPartsLost(kill, new Map([['a.bin', upload({ 0: 11 })]])), 1)
    assert.equal(
      recordedPartsLost(kill, new Map([['a.bin', upload({ 0: 11, 1: 21 }, 'running', 'run-2')]])),
      2,
    )
    assert.equal(recordedPartsLost(kill, new Map()), 2)
  })
})

describe('the report', () => {
  const files = Array.from({ length: 20 }, (_, number) => ({ path: `${number}.bin`, bytes: 8 * partBytes }))
  const manifest: Manifest = {
    folder: '',
    storeUrl: '',
    store: '',
    urls: [],
    policy: 'fcfs',
    balancer: 'power-of-two',
    files,
  }
  const uploads = new Map(files.map(({ path }) => [path, upload({ 0: 1 }, 'completed')]))
  const kill: Kill = { putsBefore: 0, uploads: new Map(files.map(({ path }) => [path, upload({ 0: 1 })])) }
  const workerKill: WorkerKill = { worker: 'worker-2', running: [] }
  const workerNames = ['worker-1', 'worker-2']
  const shared = { manifest, workerNames, differing: [], wallTimeMs: 1 }
  const good: Findings = { ...shared, puts: [], workerKill, kill, uploads }
  const faultsWith = (change: Partial<Findings>) => faultsOf(reportOf({ ...good, ...change }))

  test('finds no fault when there is none', () => assert.deepEqual(faultsWith({}), []))

  test('names each fault', () => {
    const again: PutRecord = { at: 2, name: '0.bin', part: 0, key: 'run-1/0', fault: 'none' }
    assert.match(faultsWith({ puts: [again] }).join(), /^1 parts were PUT again after/)
    assert.match(faultsWith({ differing: ['0.bin'] }).join(), /^1 files are not stored as they are/)
    assert.match(faultsWith({ uploads: new Map([...uploads].slice(1)) }).join(), /1 uploads did not complete/)
    const hit19: Kill = { ...kill, uploads: new Map([...kill.uploads].slice(1)) }
    assert.match(
      faultsWith({ kill: hit19 }).join(),
      /^the kill of the engine hit 19 uploads in mid-file, not 20 or more/,
    )
    assert.match(faultsWith({ kill: undefined }).join(), /^the kill of the engine hit 0 uploads/)
    assert.equal(faultsWith({ workerKill: undefined }).join(), 'no worker was killed')
  })

  test('wants no 20 hits where there are not 20 large files', () => {
    const few = { ...manifest, files: files.slice(1) }
    assert.deepEqual(faultsWith({ manifest: few, workerKill: undefined, kill: undefined }), [])
  })
})

describe('the shares of the workers', () => {
  const done = (worker: string, waitMs: number, retries = 0): RecordedTask => ({ worker, waitMs, retries })
  const uploads = new Map([
    ['a.bin', withTasks(done('worker-1', 10), done('worker-2', 30, 2), done('worker-1', 20, 1))],
    ['b.bin', withTasks(done('worker-1', 60))],
  ])

  test('add up to all, also where a worker has done nothing', () => {
    const shares = workerShares(['worker-1', 'worker-2', 'worker-3'], uploads)
    assert.deepEqual(shares, [
      { worker: 'worker-1', tasks: 3, share: 0.75, waitMeanMs: 30, waitP95Ms: 60, retries: 1 },
      { worker: 'worker-2', tasks: 1, share: 0.25, waitMeanMs: 30, waitP95Ms: 30, retries: 2 },
      { worker: 'worker-3', tasks: 0, share: 0, waitMeanMs: 0, waitP95Ms: 0, retries: 0 },
      { worker: 'all', tasks: 4, share: 1, waitMeanMs: 30, waitP95Ms: 60, retries: 3 },
    ])
    assert.match(shareTableOf(shares, 'worker-2'), /^worker-2 \(killed\) +1 +25\.0 % +30 +30 +2$/m)
  })

  test('95 of 100 waits are not longer than the p95', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => done('worker-1', index + 1))
    assert.equal(workerShares([], new Map([['a.bin', withTasks(...hundred)]])).at(-1)?.waitP95Ms, 95)
  })

  test('a task of the killed worker is taken over when another one has completed it', () => {
    const running = [1, 2, 3].map((operation) => ({ execution: 'a.bin', operation, worker: 'worker-1' }))
    assert.equal(tasksTakenOver({ worker: 'worker-1', running }, uploads), 1)
    assert.equal(tasksTakenOver({ worker: 'worker-1', running: running.slice(0, 1) }, uploads), 0)
    assert.equal(tasksTakenOver(undefined, uploads), 0)
  })
})

describe('the moment of the kill', () => {
  const progress: Progress = {
    parts: 1000,
    partsRecorded: 0,
    midFile: 0,
    large: 80,
    largeOpen: 80,
    filesDone: 0,
  }
  const isMoment = (change: Partial<Progress>) => isKillMoment({ ...progress, ...change })

  test('half way, with enough uploads in mid-file', () => {
    assert.equal(isMoment({ partsRecorded: 499, midFile: 80 }), false)
    assert.equal(isMoment({ partsRecorded: 500, midFile: 80 }), true)
    assert.equal(isMoment({ partsRecorded: 500, midFile: 10 }), false)
  })

  test('sooner or later, when it would only get worse', () => {
    assert.equal(isMoment({ partsRecorded: 100, midFile: 28, largeOpen: 30 }), true)
    assert.equal(isMoment({ partsRecorded: 900, midFile: 10, largeOpen: 10 }), true)
  })

  test('half way, when there are few large files', () => {
    assert.equal(isMoment({ large: 3, largeOpen: 3, partsRecorded: 499 }), false)
    assert.equal(isMoment({ large: 3, largeOpen: 3, partsRecorded: 500 }), true)
  })

  test('what is in mid-file has parts on both sides', () => {
    const files = [8, 8, 8, 1, 0].map((parts, number) => ({ path: `${number}`, bytes: parts * partBytes }))
    const uploads = new Map([
      ['0', upload({ 0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1 }, 'completed')],
      ['1', upload({ 2: 1 })],
      ['3', upload({ 0: 1 })],
    ])
    assert.deepEqual(progressOf(files, uploads), {
      parts: 26,
      partsRecorded: 10,
      midFile: 1,
      large: 3,
      largeOpen: 2,
      filesDone: 1,
    })
  })
})

test('the id of an upload is its path, or stands for it where that is too long', () => {
  assert.equal(executionIdOf('a/b.txt'), 'a/b.txt')
  const long = `${'ä'.repeat(256)}b`
  assert.match(executionIdOf(long), /^sha256-[0-9a-f]{64}$/)
  assert.notEqual(executionIdOf(long), executionIdOf(`${long}c`))
})
