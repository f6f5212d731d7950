/** What a golden file holds, and how it is read. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionState } from '../../src/core/execution/state.ts'
import type { Event } from '../../src/protocol/event.ts'
import type { Json } from '../../src/protocol/json.ts'
import { OperationMap } from '../../src/protocol/operation-map.ts'

export interface GoldenJournal {
  readonly workflow: string
  readonly journal: readonly Event[]
  readonly state: Json
}

export const CHECKSUMS = 'checksums.txt'
export const PAYLOADS = 'payloads.json'

export function goldenPath(name: string): string {
  return join(import.meta.dirname, name)
}

export function goldenFiles(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.json'))
    .sort()
}

export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(goldenPath(name), 'utf8')) as T
}

/** One line per file: SHA-256 and name, as `sha256sum` writes them. */
export function checksumsOf(names: readonly string[]): string {
  return names.map((name) => `${sha256(readFileSync(goldenPath(name)))}  ${name}\n`).join('')
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A state as JSON: maps and sets become lists in the order of their keys. */
export function summaryOf(state: ExecutionState): Json {
  const text = JSON.stringify(state, (_key, value: unknown) => {
    if (value instanceof Map || value instanceof OperationMap) return [...value].sort(([a], [b]) => (a < b ? -1 : 1))
    if (value instanceof Set) return [...value].sort()
    return value
  })
  return JSON.parse(text) as Json
}
