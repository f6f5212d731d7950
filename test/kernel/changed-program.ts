/** Changes of a program after its execution began: what a careless new release looks like. */
import fc from 'fast-check'
import type { Op, Program } from './program.ts'

export type Change = 'rename' | 'remove' | 'insert' | 'swap-kind' | 'time-limit'

export const changes: fc.Arbitrary<Change> = fc.constantFrom<Change>(
  'rename',
  'remove',
  'insert',
  'swap-kind',
  'time-limit',
)

/** The program with one change at a place, counted over all operations in the order of their text. */
export function changedProgram(program: Program, change: Change, place: number): Program {
  const at = { left: place % countOps(program.body) }
  return { ...program, body: changedBody(program.body, change, at) }
}

function countOps(ops: readonly Op[]): number {
  let count = 0
  for (const op of ops) {
    count += 1
    for (const body of bodiesOf(op)) count += countOps(body)
  }
  return count
}

function bodiesOf(op: Op): readonly (readonly Op[])[] {
  const bodies: (readonly Op[])[] = []
  if ('branches' in op) bodies.push(...op.branches)
  if ('body' in op) bodies.push(op.body)
  if ('beforeCancel' in op && op.beforeCancel !== undefined) bodies.push(op.beforeCancel)
  return bodies
}

function changedBody(ops: readonly Op[], change: Change, at: { left: number }): readonly Op[] {
  return ops.flatMap((op) => {
    if (at.left-- === 0) return changedOp(op, change)
    if (at.left < 0) return [op]
    const again = (body: readonly Op[]): readonly Op[] => changedBody(body, change, at)
    let changed: Op = op
    if ('branches' in changed) changed = { ...changed, branches: changed.branches.map(again) }
    if ('body' in changed) changed = { ...changed, body: again(changed.body) }
    if ('beforeCancel' in changed && changed.beforeCancel !== undefined)
      changed = { ...changed, beforeCancel: again(changed.beforeCancel) }
    return [changed]
  })
}

function changedOp(op: Op, change: Change): Op[] {
  switch (change) {
    case 'remove':
      return []
    case 'insert':
      return [{ do: 'step', name: 'inserted', retries: 0 }, op]
    case 'swap-kind':
      return [op.do === 'sleep' ? { do: 'step', name: 'swapped', retries: 0 } : { do: 'sleep', ms: 3 }]
    case 'time-limit':
      if (op.do !== 'wait') return [op]
      return [{ do: 'wait', signal: op.signal, ...(op.timeoutMs === undefined ? { timeoutMs: 30 } : {}) }]
    case 'rename':
      if (op.do === 'step') return [{ ...op, name: `${op.name}-renamed` }]
      if (op.do === 'wait') return [{ ...op, signal: op.signal === 'x' ? 'y' : 'x' }]
      return [op]
  }
}

/** The same program without `ctx.patched`, whose answer depends on the history itself. */
export function withoutPatches(program: Program): Program {
  const { onUpdate } = program
  const body = unpatched(program.body)
  return onUpdate === undefined ? { body } : { body, onUpdate: unpatched(onUpdate) }
}

function unpatched(ops: readonly Op[]): readonly Op[] {
  return ops.flatMap((op): readonly Op[] => {
    if (op.do === 'patched') return unpatched(op.body)
    let plain: Op = op
    if ('branches' in plain) plain = { ...plain, branches: plain.branches.map(unpatched) }
    if ('body' in plain) plain = { ...plain, body: unpatched(plain.body) }
    if ('beforeCancel' in plain && plain.beforeCancel !== undefined)
      plain = { ...plain, beforeCancel: unpatched(plain.beforeCancel) }
    return [plain]
  })
}
