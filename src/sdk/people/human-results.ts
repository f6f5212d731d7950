/** What workflow code gets of a human task that has ended. */
import type { HumanTaskClosed } from '../../protocol/event.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import { decodePayload } from '../../protocol/payload.ts'
import { validateSync } from '../standard-schema.ts'
import { type Form, isFormSchema } from './form.ts'

export interface HumanResult<T = unknown> {
  /** What was filled in. */
  readonly data: T
  readonly by: string
  readonly comment: string | undefined
}

export interface ApprovalDecision<T = unknown> {
  readonly by: string
  readonly approved: boolean
  /** ms since 1970. */
  readonly at: number
  readonly comment: string | undefined
  readonly data: T | undefined
}

export interface ApprovalResult<T = unknown> {
  readonly approved: boolean
  /** In order of time. */
  readonly decisions: readonly ApprovalDecision<T>[]
}

/** Undefined: code gets a result. An approval that was rejected is one. */
export function failureOfHumanTask(kind: 'human' | 'approval', event: HumanTaskClosed): Failure | undefined {
  const { name, outcome, by, reason, decisions } = event
  const who = by === undefined ? '' : ` by ${by}`
  const said = reason ?? decisions.at(-1)?.comment
  const why = said === undefined || said === '' ? '' : `: ${said}`
  switch (outcome) {
    case 'completed':
    case 'approved':
      return undefined
    case 'rejected':
      return kind === 'approval'
        ? undefined
        : platformFailure('HUMAN_TASK_REJECTED', `human task '${name}' was rejected${who}${why}`)
    case 'withdrawn':
      return platformFailure(
        'HUMAN_TASK_WITHDRAWN',
        `human task '${name}' was withdrawn${who}${reason === undefined ? '' : `: ${reason}`}`,
      )
    case 'expired':
      return platformFailure('HUMAN_TASK_EXPIRED', `human task '${name}' was not done in time`)
    case 'cancelled':
      return platformFailure('CANCELLED', `human task '${name}' was cancelled`)
  }
}

export function humanResult(event: HumanTaskClosed, form: Form | undefined): HumanResult {
  const decision = event.decisions.at(-1)
  const { data, by = '', comment } = decision ?? {}
  const value = data === undefined ? undefined : decodePayload(data)
  return { data: accepted(value, form, event.name), by, comment }
}

export function approvalResult(
  { name, outcome, decisions }: HumanTaskClosed,
  form: Form | undefined,
): ApprovalResult {
  return {
    approved: outcome === 'approved',
    decisions: decisions.map(({ by, verdict, at, comment, data }) => {
      const approved = verdict === 'approved'
      const value = data === undefined ? undefined : decodePayload(data)
      return { by, approved, at, comment, data: approved ? accepted(value, form, name) : value }
    }),
  }
}

/** A schema of a library may change what it accepts, and check more than its JSON Schema says. */
function accepted(value: unknown, form: Form | undefined, name: string): unknown {
  if (form === undefined || !isFormSchema(form)) return value
  return validateSync(form, value, 'HUMAN_TASK_DATA_INVALID', `what was filled in for '${name}'`)
}
