/** What a client writes down, one JSON line each, in the moment in which it learns it: before it does anything else. */
import { readFileSync } from 'node:fs'

export type ClientEntry = {
  /** Wall clock of the machine, ms. */
  readonly at: number
} & (
  | {
      readonly kind: 'acknowledged'
      readonly call: 'start' | 'signal'
      readonly id: string
      readonly tookMs: number
    }
  | { readonly kind: 'result'; readonly id: string; readonly value: number; readonly tookMs: number }
  /** The client was not told whether it was done, and asks again. */
  | { readonly kind: 'again'; readonly id: string; readonly code: string }
  /** An error that no caller should see. */
  | { readonly kind: 'error'; readonly id: string; readonly error: string }
)

export function readClientLog(file: string): ClientEntry[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  // The last line has no end if its client was killed; what it says was not acknowledged to anybody yet.
  lines.pop()
  return lines.map((line) => JSON.parse(line) as ClientEntry)
}
