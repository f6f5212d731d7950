/**
 * Made the golden files, once. It never writes over one: a released event format is frozen, a new one gets new files.
 *
 *   node test/golden/make.ts
 */
import { existsSync, writeFileSync } from 'node:fs'
import type { Event } from '../../src/protocol/event.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { KernelHarness } from '../kernel/harness.ts'
import {
  CHECKSUMS,
  checksumsOf,
  type GoldenJournal,
  goldenFiles,
  goldenPath,
  PAYLOADS,
  summaryOf,
} from './golden-file.ts'
import { PAYLOAD_EXAMPLES } from './payload-examples.ts'
import { SCENARIOS } from './scenarios.ts'

function writeOnce(name: string, content: unknown): void {
  if (existsSync(goldenPath(name))) {
    console.log(`${name} is kept as it is`)
    return
  }
  writeFileSync(goldenPath(name), `${JSON.stringify(content, null, 2)}\n`)
  console.log(`${name} is new`)
}

/** Stacks name files of one machine. */
function withoutPlaces(journal: readonly Event[]): Event[] {
  const text = JSON.stringify(journal, (key, value: unknown) =>
    key === 'stack' && typeof value === 'string'
      ? `${value.split('\n')[0]}\n    at run (workflows.ts)`
      : value,
  )
  return JSON.parse(text) as Event[]
}

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  const { workflow, journal: made } = await scenario()
  const journal = withoutPlaces(made)
  // What a new process makes of the journal, before code has run.
  const { state } = KernelHarness.recover(workflow, journal)
  writeOnce(`${name}.json`, {
    workflow: workflow.name,
    journal,
    state: summaryOf(state),
  } satisfies GoldenJournal)
}
const payloads = Object.entries(PAYLOAD_EXAMPLES).map(([name, value]) => [name, encodePayload(value)])
writeOnce(PAYLOADS, Object.fromEntries(payloads))
writeFileSync(goldenPath(CHECKSUMS), checksumsOf(goldenFiles()))
