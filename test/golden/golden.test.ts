import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { type Event, type EventType, isTerminal } from '../../src/protocol/event.ts'
import { decodePayload, encodePayload, type Payload } from '../../src/protocol/payload.ts'
import type { Workflow } from '../../src/sdk/definition.ts'
import { assertJournalMakesState } from '../kernel/crash.ts'
import { KernelHarness } from '../kernel/harness.ts'
import {
  CHECKSUMS,
  checksumsOf,
  type GoldenJournal,
  goldenFiles,
  goldenPath,
  PAYLOADS,
  readGolden,
  summaryOf,
} from './golden-file.ts'
import { PAYLOAD_EXAMPLES } from './payload-examples.ts'
import { SCENARIOS } from './scenarios.ts'
import { GOLDEN_WORKFLOWS } from './workflows.ts'

const names = goldenFiles().filter((name) => name !== PAYLOADS)

function codeOf({ workflow }: GoldenJournal): Workflow {
  const found = GOLDEN_WORKFLOWS.find(({ name }) => name === workflow)
  assert.ok(found, `the code of ${workflow} is kept`)
  return found
}

/** The journal without its end, and the end. */
function endOf(journal: readonly Event[]): readonly [readonly Event[], Event | undefined] {
  const last = journal.at(-1)
  return last !== undefined && isTerminal(last) ? [journal.slice(0, -1), last] : [journal, undefined]
}

/** Times are inputs, and stacks name the lines of this program. */
function timeless(event: Event | undefined): unknown {
  if (event === undefined) return undefined
  const { at: _, ...rest } = event
  return JSON.parse(JSON.stringify(rest, (key, value: unknown) => (key === 'stack' ? undefined : value)))
}

const MADE_BY_CODE: ReadonlySet<EventType> = new Set<EventType>([
  'execution-completed',
  'execution-failed',
  'execution-cancelled',
  'execution-continued',
])

describe('golden journals', () => {
  for (const name of names) {
    const golden = readGolden<GoldenJournal>(name)
    const { journal } = golden

    it(`${name} makes the state that it always made`, () => {
      assert.deepEqual(summaryOf(KernelHarness.recover(codeOf(golden), journal).state), golden.state)
    })

    it(`${name} is replayed by its code after every event`, async () => {
      for (let seq = 1; seq <= journal.length; seq++) {
        const harness = await KernelHarness.recover(codeOf(golden), journal.slice(0, seq)).untilQuiet()
        assert.equal(harness.nondeterminism?.message, undefined, `after event ${seq}`)
        assertJournalMakesState(harness)
      }
    })

    it(`${name} ends as it ended`, async () => {
      const [open, end] = endOf(journal)
      const harness = await KernelHarness.recover(codeOf(golden), open).untilQuiet()
      const added = harness.journal.slice(open.length)
      const expected = end !== undefined && MADE_BY_CODE.has(end.type) ? [timeless(end)] : []
      assert.deepEqual(added.map(timeless), expected)
    })
  }

  it('are those of the scenarios', () => {
    assert.deepEqual(
      names,
      Object.keys(SCENARIOS)
        .map((name) => `${name}.json`)
        .sort(),
    )
  })

  it('are what their scenarios make today', async () => {
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      const { journal } = readGolden<GoldenJournal>(`${name}.json`)
      const made = await scenario()
      assert.deepEqual(made.journal.map(timeless), journal.map(timeless), name)
    }
  })

  it('have an example of every type of event', () => {
    const seen = new Set(
      names.flatMap((name) => readGolden<GoldenJournal>(name).journal.map(({ type }) => type)),
    )
    assert.deepEqual([...seen].sort(), typesInSource())
  })
})

/** The types that `event.ts` declares. */
function typesInSource(): string[] {
  const source = readFileSync(new URL('../../src/protocol/event.ts', import.meta.url), 'utf8')
  const declared = [...source.matchAll(/^ {2}readonly type: '([a-z-]+)'$/gm)].map((match) => match[1] ?? '')
  assert.ok(declared.length >= 25)
  return declared.sort()
}

describe('golden payloads', () => {
  const golden = readGolden<Record<string, Payload>>(PAYLOADS)

  it('have an example of every tag and none without a value', () => {
    assert.deepEqual(Object.keys(golden), Object.keys(PAYLOAD_EXAMPLES))
    const tags = new Set(
      [...JSON.stringify(golden).matchAll(/"\$":"([A-Za-z0-9]+)"/g)].map((match) => match[1]),
    )
    const source = readFileSync(new URL('../../src/protocol/payload.ts', import.meta.url), 'utf8')
    const known = [...source.matchAll(/^ {4}case '([A-Za-z0-9]+)':$/gm)].map((match) => match[1])
    for (const tag of ['undefined', 'bigint', 'Date', 'Uint8Array', 'Map', 'Set', 'object']) {
      assert.ok(known.includes(tag) && tags.has(tag), tag)
    }
  })

  for (const [name, value] of Object.entries(PAYLOAD_EXAMPLES)) {
    it(`${name} is encoded as ever, and decoded to what it was`, () => {
      assert.equal(JSON.stringify(encodePayload(value)), JSON.stringify(golden[name]))
      assert.deepEqual(decodePayload(golden[name] as Payload), value)
    })
  }

  it('are not those of another format, codec or key', () => {
    const others = [
      [2, 'json', null, 1],
      [1, 'cbor', null, 1],
      [1, 'json', 'key-1', 1],
      [1, 'json', null, { $: 'x' }],
    ]
    for (const other of others) {
      assert.throws(() => decodePayload(other as unknown as Payload), { code: 'PAYLOAD_UNREADABLE' })
    }
  })
})

describe('golden files', () => {
  it('are as they were when they were frozen', () => {
    assert.equal(checksumsOf(goldenFiles()), readFileSync(goldenPath(CHECKSUMS), 'utf8'))
  })
})
