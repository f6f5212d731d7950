/** The clock of the machine is set back an hour: no timer is early or stuck, nothing is lost, time in journals never decreases. */
import assert from 'node:assert/strict'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { notRunReason, shimLibrary } from './fault-shim.ts'
import { readStoreFile } from './file-reader.ts'
import { WorkerProcess } from './worker-process.ts'

const HOUR_MS = 3_600_000
const directory = mkdtempSync(join(realpathSync(tmpdir()), 'perdure-clock-'))
after(() => rmSync(directory, { recursive: true }))

class Machine {
  readonly file: string
  readonly #clock: string
  /** Time that each execution took, by its id. */
  readonly tookMs = new Map<string, number>()
  readonly failures: unknown[] = []
  /** How far the clock of the process was behind ours, when an execution ended. */
  behindMs = 0

  constructor(name: string) {
    this.file = join(directory, `${name}.db`)
    this.#clock = join(directory, `${name}.clock`)
    writeFileSync(this.#clock, Buffer.alloc(8))
  }

  setClock(offsetMs: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(offsetMs))
    // Written in place: the processes have it mapped.
    writeFileSync(this.#clock, bytes, { flag: 'r+' })
  }

  /** A process whose executions have been started. */
  async run(sleepsMs: Readonly<Record<string, number>>): Promise<WorkerProcess> {
    const worker = new WorkerProcess(join(import.meta.dirname, 'clock-program.ts'), {
      LD_PRELOAD: shimLibrary(),
      PERDURE_SHIM_CLOCK: this.#clock,
    })
    await worker.next('loaded')
    worker.begin({ file: this.file, sleepsMs }, (report) => {
      if (report[0] === 'ended') {
        this.tookMs.set(report[2], Number(report[3]))
        this.behindMs = Date.now() - Number((report as readonly unknown[])[4])
      } else if (report[0] === 'failed') this.failures.push(report)
    })
    assert.ok((await worker.next('ready')) !== undefined, worker.errors)
    return worker
  }

  async untilEnded(count: number): Promise<void> {
    for (let i = 0; i < 1000 && this.tookMs.size < count; i++) await delay(20)
    assert.equal(this.tookMs.size, count, 'all have ended')
  }

  assertNeverBackwards(): void {
    const { runs, damage } = readStoreFile(this.file)
    assert.deepEqual(damage, [])
    for (const { workflowId, events } of runs.values()) {
      const due = events.find((event) => event.type === 'timer-started')?.dueAt
      const fired = events.find((event) => event.type === 'timer-fired')?.at
      assert.ok(Number(fired) >= Number(due), `${workflowId}: due at ${due}, fired at ${fired}`)
      for (const [i, event] of events.entries())
        assert.ok(event.at >= (events[i - 1]?.at ?? 0), `${workflowId}: event ${event.seq} is older`)
    }
  }
}

const sleeps = (prefix: string, count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}-${i}`, 60 + i * 20]))

function assertNotEarly(machine: Machine, sleepsMs: Readonly<Record<string, number>>): void {
  // A millisecond of rounding on either side.
  for (const [id, ms] of Object.entries(sleepsMs)) {
    const took = machine.tookMs.get(id)
    assert.ok(took !== undefined && took >= ms - 2, `${id} slept ${took} of ${ms} ms`)
  }
}

describe('a clock that is set back an hour', { skip: notRunReason('clock') }, () => {
  test('while the engine runs', async () => {
    const machine = new Machine('running')
    const sleepsMs = sleeps('a', 12)
    const worker = await machine.run(sleepsMs)
    machine.setClock(-HOUR_MS)
    await machine.untilEnded(12)
    await worker.kill()
    assert.ok(machine.behindMs > HOUR_MS - 10_000, `the process saw its clock ${machine.behindMs} ms behind`)
    assert.deepEqual(machine.failures, [])
    assertNotEarly(machine, sleepsMs)
    machine.assertNeverBackwards()
  })

  test('across a restart', async () => {
    const machine = new Machine('restart')
    const old = sleeps('old', 12)
    await (await machine.run(old)).kill()
    machine.tookMs.clear()
    machine.setClock(-HOUR_MS)
    const fresh = sleeps('new', 12)
    const worker = await machine.run({ ...old, ...fresh })
    await machine.untilEnded(24)
    await worker.kill()
    assert.ok(machine.behindMs > HOUR_MS - 10_000, `the process saw its clock ${machine.behindMs} ms behind`)
    assert.deepEqual(machine.failures, [])
    assertNotEarly(machine, fresh)
    machine.assertNeverBackwards()
    const { runs } = readStoreFile(machine.file)
    const atOf = (prefix: string): number[] =>
      [...runs.values()].filter((run) => run.workflowId.startsWith(prefix)).map((run) => run.startedAt)
    assert.ok(Math.min(...atOf('new')) >= Math.max(...atOf('old')), 'later starts are not older')
  })
})
