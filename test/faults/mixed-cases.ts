/**
 * The cases of the mixed workload: what each execution does, and how it must end whatever happens to the process.
 * Imports nothing, so that the checker of a file shares no code with the engine.
 */
export const CASE_KINDS = [
  'chain',
  'parallel',
  'retry',
  'sleep',
  'signals',
  'children',
  'rounds',
  'updates',
  'cancel',
  'reopen',
  'terminate',
  'timeout',
] as const

export type CaseKind = (typeof CASE_KINDS)[number]

export interface ExpectedEnd {
  readonly status: 'completed' | 'cancelled' | 'terminated' | 'timed-out'
  /** JSON of the result, if it completed. */
  readonly result: string | undefined
}

export const ROUNDS = 3
export const MAP_ITEMS = [1, 2, 3, 4, 5, 6]
/** The most attempts of a step, by its name; others have one that succeeds. */
export const MAX_ATTEMPTS: Readonly<Record<string, number>> = {
  flaky: 5,
  hopeless: 3,
  refused: 5,
  brittle: 1,
}
export const FLAKY_SUCCEEDS_AT = 3

export function kindOf(number: number): CaseKind {
  return CASE_KINDS[number % CASE_KINDS.length] ?? 'chain'
}

export function idOf(number: number): string {
  return `${kindOf(number)}-${number}`
}

export function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1))
}

export function expectedEnd(number: number): ExpectedEnd {
  const completed = (result: unknown): ExpectedEnd => ({
    status: 'completed',
    result: JSON.stringify(result),
  })
  switch (kindOf(number)) {
    case 'chain':
      return completed(number + 1 + 2 + 3 + 4 + 5)
    case 'parallel':
      return completed([number, number + 1, number + 2, 2, 4, 6, 8, 10, 12])
    case 'retry':
      return completed({ flaky: FLAKY_SUCCEEDS_AT, hopeless: 'attempt 3', refused: 'attempt 1' })
    case 'sleep':
      return completed({ isLongEnough: true, winner: 'step' })
    case 'signals':
      return completed({ received: [1, 2, 3], missing: 'none' })
    case 'children':
      return completed(number * 2 + 30)
    case 'rounds':
      return completed(number + ROUNDS)
    case 'updates':
      return completed(12)
    case 'reopen':
      return completed('mended')
    case 'cancel':
      return { status: 'cancelled', result: undefined }
    case 'terminate':
      return { status: 'terminated', result: undefined }
    case 'timeout':
      return { status: 'timed-out', result: undefined }
  }
}

/** Request ids of the signals that the client sends to a case, in order. */
export function signalIdsOf(number: number): readonly string[] {
  const id = idOf(number)
  if (kindOf(number) === 'signals') return [`${id}#1`, `${id}#2`, `${id}#3`]
  if (kindOf(number) === 'updates') return [`${id}#finish`]
  return []
}
