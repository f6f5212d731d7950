/** Every program of at most two operations, in a row and joined in every way: small enough to crash them everywhere. */
import type { Op, Program } from './program.ts'

const LEAVES: readonly Op[] = [
  { do: 'step', name: 'a', retries: 1 },
  { do: 'sleep', ms: 5 },
  { do: 'wait', signal: 'x' },
  { do: 'wait', signal: 'x', timeoutMs: 5 },
  { do: 'child', use: 'await' },
  { do: 'child', use: 'keep' },
  { do: 'child', use: 'signal' },
  { do: 'child', use: 'cancel' },
  { do: 'attributes', name: 'a', value: 1 },
  { do: 'random' },
  { do: 'throw' },
  { do: 'continue' },
]

const WRAPPERS: readonly ((body: readonly Op[]) => Op)[] = [
  (body) => ({ do: 'try', body }),
  (body) => ({ do: 'uncancellable', body }),
  (body) => ({ do: 'scope', body }),
  (body) => ({ do: 'scope', body, beforeCancel: [{ do: 'sleep', ms: 1 }] }),
  (body) => ({ do: 'scope', body, beforeCancel: [] }),
  (body) => ({ do: 'loop', times: 2, body }),
  (body) => ({ do: 'map', items: 3, concurrency: 2, body }),
  (body) => ({ do: 'patched', id: 'p', body, before: [] }),
]

const JOINS = ['all', 'race', 'any', 'allSettled'] as const

export function smallPrograms(): Program[] {
  const bodies: (readonly Op[])[] = LEAVES.map((leaf) => [leaf])
  for (const leaf of LEAVES) for (const wrap of WRAPPERS) bodies.push([wrap([leaf])])
  for (const first of LEAVES) {
    for (const second of LEAVES) {
      bodies.push([first, second])
      for (const join of JOINS) bodies.push([{ do: join, branches: [[first], [second]] }])
    }
  }
  const withUpdate: Program[] = LEAVES.map((leaf) => ({
    body: [{ do: 'wait', signal: 'y' }],
    onUpdate: [leaf],
  }))
  return [...bodies.map((body) => ({ body })), ...withUpdate]
}
