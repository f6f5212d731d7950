/** Random programs. */
import fc from 'fast-check'
import type { Op, Program } from './program.ts'

const names = fc.constantFrom('a', 'b', 'c')
const signals = fc.constantFrom('x', 'y')

const leaf: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('step' as const), name: names, retries: fc.nat({ max: 2 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('sleep' as const), ms: fc.integer({ min: 0, max: 50 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      signal: signals,
      timeoutMs: fc.nat({ max: 60 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), signal: signals }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('child' as const),
      use: fc.constantFrom('await', 'keep', 'signal', 'cancel'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('task' as const), name: names }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('human' as const),
      name: names,
      use: fc.constantFrom('task' as const, 'together' as const, 'sequence' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('attributes' as const), name: names, value: fc.nat({ max: 9 }) }),
  },
  { weight: 1, arbitrary: fc.constant<Op>({ do: 'random' }) },
)

const rareEnd: fc.Arbitrary<Op> = fc.constantFrom<Op>({ do: 'throw' }, { do: 'continue' })

const { ops } = fc.letrec<{ op: Op; ops: readonly Op[] }>((tie) => ({
  ops: fc.array(tie('op'), { minLength: 1, maxLength: 3, depthIdentifier: 'program' }),
  op: fc.oneof(
    { depthIdentifier: 'program', maxDepth: 3, depthSize: 'small' },
    { weight: 6, arbitrary: leaf },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('all' as const, 'race' as const, 'any' as const, 'allSettled' as const),
        branches: fc.array(tie('ops'), { minLength: 1, maxLength: 3 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('map' as const),
        items: fc.integer({ min: 1, max: 3 }),
        concurrency: fc.integer({ min: 1, max: 2 }),
        body: tie('ops'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record(
        { do: fc.constant('scope' as const), body: tie('ops'), beforeCancel: tie('ops') },
        { requiredKeys: ['do', 'body'] },
      ),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('uncancellable' as const), body: tie('ops') }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('try' as const), body: tie('ops') }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('loop' as const),
        times: fc.integer({ min: 1, max: 3 }),
        body: tie('ops'),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('patched' as const),
        id: fc.constantFrom('p', 'q'),
        body: tie('ops'),
        before: tie('ops'),
      }),
    },
    { weight: 1, arbitrary: rareEnd },
  ),
}))

export const programs: fc.Arbitrary<Program> = fc.record(
  { body: ops, onUpdate: ops },
  { requiredKeys: ['body'] },
)
