/** Programs before and after a change that `ctx.patched` guards, as a careful new release does it. */
import fc from 'fast-check'
import type { Op, Program } from './program.ts'
import { programs } from './program-arbitrary.ts'

export interface GuardedChange {
  readonly before: Program
  readonly after: Program
}

/** Not one of the ids that random programs use themselves. */
export const GUARD = 'guard'

/** At one place of the body, or of the handler of the update, other operations replace the one that is there. */
export const guardedChanges: fc.Arbitrary<GuardedChange> = fc
  .record({
    program: programs,
    place: fc.nat(),
    isInHandler: fc.boolean(),
    instead: fc.oneof(
      fc.constant<readonly Op[]>([]),
      fc.constant<readonly Op[]>([{ do: 'wait', signal: 'x' }]),
      fc.constant<readonly Op[]>([{ do: 'attributes', name: 'instead', value: 1 }]),
      programs.map(({ body }) => body),
    ),
  })
  .map(({ program, place, isInHandler, instead }) => ({
    before: program,
    after: guarded(program, place, isInHandler, () => instead),
  }))

const waitOrTask: Op = {
  do: 'try',
  body: [
    { do: 'wait', signal: 'x' },
    { do: 'human', name: 'a', use: 'task' },
  ],
}
const afterCancellation: Op = {
  do: 'scope',
  body: [
    { do: 'map', items: 1, concurrency: 1, body: [{ do: 'wait', signal: 'x' }] },
    { do: 'sleep', ms: 0 },
  ],
}
const onUpdate: readonly Op[] = [
  {
    do: 'try',
    body: [
      { do: 'loop', times: 1, body: [{ do: 'human', name: 'a', use: 'together' }] },
      { do: 'child', use: 'await' },
    ],
  },
  { do: 'child', use: 'signal' },
]

/** A cancellation wakes the body and two handlers at once: one promise more around `before` would let the handlers go first. */
export const guardedAmongHandlers: GuardedChange = {
  before: { body: [waitOrTask, afterCancellation], onUpdate },
  after: {
    body: [
      {
        do: 'patched',
        id: GUARD,
        body: [{ do: 'attributes', name: 'instead', value: 1 }],
        before: [waitOrTask],
      },
      afterCancellation,
    ],
    onUpdate,
  },
}

/** A place is guarded, and the new code does what the old code did. */
export const guardedPrograms: fc.Arbitrary<Program> = fc
  .record({ program: programs, place: fc.nat(), isInHandler: fc.boolean() })
  .map(({ program, place, isInHandler }) => guarded(program, place, isInHandler, (op) => [op]))

function guarded(
  program: Program,
  place: number,
  isInHandler: boolean,
  instead: (op: Op) => readonly Op[],
): Program {
  const { body, onUpdate } = program
  const changed = (ops: readonly Op[]): readonly Op[] =>
    ops.map((op, i) =>
      i === place % ops.length ? { do: 'patched', id: GUARD, body: instead(op), before: [op] } : op,
    )
  if (!isInHandler || onUpdate === undefined) return { ...program, body: changed(body) }
  return { body, onUpdate: changed(onUpdate) }
}

/** The answers at the guarded place that the code has noted. */
export function answersIn(trace: readonly string[]): readonly string[] {
  return trace.filter((line) => line.startsWith(`${GUARD}: `)).map((line) => line.slice(GUARD.length + 2))
}
