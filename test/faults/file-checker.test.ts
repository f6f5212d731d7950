/** The checker must be able to fail: each fault planted in sound evidence is found, under its own invariant. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { CrashResult } from './crash-run.ts'
import { crashRun } from './crash-run.ts'
import { checkEvidence, type Evidence } from './file-checker.ts'
import type { FileContents, FileEvent, FileRun } from './file-reader.ts'

let sound: CrashResult

before(async () => {
  sound = await crashRun({ seed: 5, crashes: 6, inFlight: 24 })
})

function runOf(kind: string): FileRun {
  for (const run of sound.contents.runs.values()) if (run.workflow === kind) return run
  throw new Error(`no run of ${kind}`)
}

function withRun(kind: string, change: (run: FileRun) => FileRun | undefined): Evidence {
  const run = runOf(kind)
  const runs = new Map(sound.contents.runs)
  const changed = change(run)
  if (changed === undefined) runs.delete(run.runId)
  else runs.set(run.runId, changed)
  return { ...sound, contents: { ...sound.contents, runs } }
}

function withEvents(kind: string, change: (events: FileEvent[]) => readonly FileEvent[]): Evidence {
  return withRun(kind, (run) => {
    const events = change([...run.events]).map((event, i) => ({ ...event, seq: i + 1 }) as FileEvent)
    return { ...run, events }
  })
}

const repeated = (type: string) => (events: FileEvent[]) =>
  events.flatMap((event) => (event.type === type ? [event, event] : [event]))

const without = (type: string) => (events: FileEvent[]) => events.filter((event) => event.type !== type)

const changed = (type: string, fields: object) => (events: FileEvent[]) =>
  events.map((event) => (event.type === type ? { ...event, ...fields } : event))

const faults: readonly (readonly [fault: string, found: RegExp, plant: () => Evidence])[] = [
  ['a start is lost', /^I1: the acknowledged start/, () => withRun('chain', () => undefined)],
  ['a signal is lost', /^I1: acknowledged signal/, () => withEvents('signals', without('signal-received'))],
  ['an update is lost', /^I1: update/, () => withEvents('updates', without('update-completed'))],
  [
    'a result has changed',
    /^I2: chain/,
    () => withEvents('chain', changed('execution-completed', { result: [1, 'json', null, -1] })),
  ],
  ['a step completed twice', /I3: .*completed twice/, () => withEvents('chain', repeated('step-completed'))],
  ['a timer was started twice', /I3: .*twice/, () => withEvents('sleep', repeated('timer-started'))],
  [
    'a failed attempt was forgotten',
    /I3: .*attempt 2/,
    () => withEvents('retry', (events) => events.toSpliced(1, 1)),
  ],
  ['a timer fired early', /I6: timer/, () => withEvents('sleep', changed('timer-fired', { at: 1 }))],
  [
    'time ran backwards',
    /I6: event .* older/,
    () => withEvents('chain', changed('step-completed', { at: 1 })),
  ],
  ['a signal was recorded twice', /I7: /, () => withEvents('signals', repeated('signal-received'))],
  [
    'something follows the end',
    /I8: event/,
    () => withEvents('chain', (events) => [...events, events[1] ?? raise()]),
  ],
  ['it ended twice', /I8: 2 terminal/, () => withEvents('chain', repeated('execution-completed'))],
  ['it never ended', /I8: 0 terminal/, () => withEvents('chain', without('execution-completed'))],
  [
    'the summary says otherwise',
    /I12: the summary says running/,
    () => withRun('chain', (run) => ({ ...run, status: 'running' })),
  ],
  [
    'the attributes are old',
    /I12: .*attributes/,
    () => withRun('chain', (run) => ({ ...run, attributes: {} })),
  ],
  ['a child is lost', /child run .* is lost/, () => withRun('adder', () => undefined)],
  ['a next run is lost', /the next run is lost/, () => withoutSecondRound()],
  ['a step never ran', /I3: has step-completed and never ran/, () => ({ ...sound, ledger: [] })],
  [
    'a recorded step ran again in a later life',
    /I3: .*ran again in life 99/,
    () => ({ ...sound, ledger: sound.ledger.flatMap((entry) => [entry, { ...entry, round: 99 }]) }),
  ],
  [
    'an attempt ran twice in one life',
    /I3: .*ran twice/,
    () => ({ ...sound, ledger: sound.ledger.flatMap((entry) => [entry, entry]) }),
  ],
  [
    'a backoff was cut short',
    /I6: ran again before its backoff/,
    () => ({ ...sound, ledger: sound.ledger.map((entry) => ({ ...entry, atMs: 1 })) }),
  ],
  [
    'a timer is left',
    /timer 1 .* left behind/,
    () => withContents({ timers: [{ runId: 'x', timer: 1, dueAt: 1 }] }),
  ],
  ['a message is left', /messages were left behind/, () => withContents({ outboxRows: 1 })],
  [
    'a client still waits',
    /^I14: /,
    () => ({ ...sound, log: Object.assign(cloneLog(), { ends: new Map() }) }),
  ],
]

function withContents(change: Partial<FileContents>): Evidence {
  return { ...sound, contents: { ...sound.contents, ...change } }
}

function withoutSecondRound(): Evidence {
  const next = [...sound.contents.runs.values()].find((run) => run.events[0]?.continuedFrom !== undefined)
  const runs = new Map(sound.contents.runs)
  runs.delete(next?.runId ?? '')
  return withContents({ runs })
}

function cloneLog(): Evidence['log'] {
  return Object.assign(Object.create(Object.getPrototypeOf(sound.log)), sound.log)
}

function raise(): never {
  throw new Error('the run is shorter than expected')
}

describe('the checker of crash evidence', () => {
  test('finds nothing wrong in sound evidence of every kind of case', () => {
    assert.equal(sound.unfinished, undefined)
    assert.deepEqual(checkEvidence(sound), [])
    assert.ok(new Set([...sound.contents.runs.values()].map((run) => run.workflow)).size >= 12)
  })
  for (const [fault, found, plant] of faults) {
    test(`finds that ${fault}`, () => {
      const wrong = checkEvidence(plant())
      assert.ok(
        wrong.some((line) => found.test(line.replace(/^\S+ \(\S+\): |^\S+\/\d+ /, ''))),
        wrong.join('\n') || 'nothing was found',
      )
    })
  }
})
