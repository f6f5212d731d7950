/** No payload of an event or a command is missed: each that is there anywhere is met by the tables. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { Event } from './event.ts'
import type { Failure } from './failure.ts'
import type { Payload } from './payload.ts'
import { mapCommand, mapEvent, type PlacesMapper } from './payload-places.ts'
import type { WorkflowCommand } from './workflow-command.ts'

const MET: Payload = [1, 'met', null, null]
const MET_FAILURE: Failure = { kind: 'application', name: 'met', message: 'met' }
const meeting: PlacesMapper = { payload: () => MET, failure: () => MET_FAILURE }

/** Payloads and failures of a value, wherever they are, that were not met. */
function missedIn(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || value === MET || value === MET_FAILURE) return []
  if (Array.isArray(value) && value.length === 4 && value[0] === 1 && typeof value[1] === 'string')
    return [path]
  if ('kind' in value && 'message' in value && 'name' in value) return [path]
  return Object.entries(value).flatMap(([name, item]) => missedIn(item, `${path}.${name}`))
}

const folder = new URL('../../test/golden/', import.meta.url)
const journals = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => {
    const { journal = [] } = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as { journal?: Event[] }
    return journal
  })

describe('places of payloads', () => {
  it('are known for all events of the golden journals', () => {
    assert.ok(journals.length > 100)
    for (const event of journals) assert.deepEqual(missedIn(mapEvent(event, meeting), event.type), [])
    // The search itself finds them.
    assert.ok(journals.some((event) => missedIn(event).length > 0))
  })

  it('and these have every type of event that has payloads', () => {
    const types = new Set(journals.filter((event) => missedIn(event).length > 0).map(({ type }) => type))
    const source = readFileSync(new URL('event.ts', import.meta.url), 'utf8')
    const declared = [...source.matchAll(/export interface \w+ extends At \{([^}]*)\}/g)].flatMap(
      ([, body = '']) => {
        if (!/: (Payload|Failure|HumanTaskSpec|HumanChange)\b|SeatDecision/.test(body)) return []
        return /readonly type: '([a-z-]+)'/.exec(body)?.[1] ?? []
      },
    )
    assert.ok(declared.length >= 18)
    assert.deepEqual(declared.filter((type) => !types.has(type as Event['type'])).sort(), [])
  })

  it('are known for all commands', () => {
    const payload: Payload = [1, 'json', null, 1]
    const failure: Failure = { kind: 'application', name: 'Error', message: 'x' }
    const spec = { data: payload, title: 'x' } as never
    const commands: readonly WorkflowCommand[] = [
      { kind: 'child', op: 1, workflow: 'w', version: '1', input: payload, closePolicy: 'terminate' },
      { kind: 'task', op: 1, name: 't', queue: 'q', input: payload, options: {} },
      { kind: 'human', op: 1, name: 'h', spec },
      { kind: 'signal-child', op: 2, childOp: 1, signal: 's', payload },
      { kind: 'update-result', updateId: 'u', result: payload },
      { kind: 'update-result', updateId: 'u', failure },
      { kind: 'complete', result: payload },
      { kind: 'fail', failure },
      { kind: 'continue', input: payload },
    ]
    for (const command of commands) {
      assert.notDeepEqual(missedIn(command), [])
      assert.deepEqual(missedIn(mapCommand(command, meeting), command.kind), [])
    }
    const source = readFileSync(new URL('workflow-command.ts', import.meta.url), 'utf8')
    const fields = [...source.matchAll(/: (Payload|Failure|HumanTaskSpec)\b/g)]
    assert.equal(fields.length, 9, 'a field of a command with a payload that this test does not know')
  })
})
