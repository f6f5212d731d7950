/**
 * Failures of user code: message, stack and cause are encrypted; kind, name, code and whether it is retried stay, since the
 * engine decides by them.
 *
 * Failures that are ours alone stay as they are, so that operators can read why something is parked or has timed out. But an error
 * of ours that says what was wrong with a value, or that has an error of user code for a cause, is encrypted too: its message may
 * repeat it.
 */
import type { ErrorCode } from '../../protocol/errors.ts'
import { type Failure, SEALED_MESSAGE } from '../../protocol/failure.ts'
import type { Json } from '../../protocol/json.ts'
import type { Payload } from '../../protocol/payload.ts'

const SAY_VALUES: ReadonlySet<string> = new Set<ErrorCode>([
  'ARGUMENT_INVALID',
  'INPUT_INVALID',
  'OUTPUT_INVALID',
  'HUMAN_TASK_DATA_INVALID',
  'PAYLOAD_UNSUPPORTED',
  'UPDATE_REJECTED',
])

export function isToSeal(failure: Failure): boolean {
  if (failure.sealed !== undefined) return false
  if (failure.kind === 'application' || (failure.code !== undefined && SAY_VALUES.has(failure.code)))
    return true
  return failure.cause !== undefined && hasUserText(failure.cause)
}

/** Its text, or that of a cause, may be in the message of the error that has it for a cause. */
function hasUserText(failure: Failure): boolean {
  return failure.sealed !== undefined || isToSeal(failure)
}

/** What is encrypted of it. */
export function secretPart({ message, stack, cause }: Failure): Payload {
  const secret = {
    message,
    ...(stack === undefined ? {} : { stack }),
    // A failure is JSON.
    ...(cause === undefined ? {} : { cause: cause as unknown as Json }),
  }
  return [1, 'json', null, secret]
}

export function withSealed({ kind, name, code, nonRetryable }: Failure, sealed: Payload): Failure {
  return {
    kind,
    name,
    message: SEALED_MESSAGE,
    ...(code === undefined ? {} : { code }),
    ...(nonRetryable === undefined ? {} : { nonRetryable }),
    sealed,
  }
}

/** `secret` is what `secretPart` gave. */
export function withSecret({ sealed: _, ...plain }: Failure, secret: Payload): Failure {
  const { message, stack, cause } = secret[3] as unknown as Pick<Failure, 'message' | 'stack' | 'cause'>
  return {
    ...plain,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined ? {} : { cause }),
  }
}

/** Opens whatever is sealed along the causes; the messages of the errors around repeat what was found. */
export function mapSealed(failure: Failure, open: (sealed: Payload, failure: Failure) => Failure): Failure {
  if (failure.sealed !== undefined) return open(failure.sealed, failure)
  const { cause } = failure
  if (cause === undefined) return failure
  const opened = mapSealed(cause, open)
  if (opened === cause) return failure
  return { ...failure, message: failure.message.replace(SEALED_MESSAGE, () => opened.message), cause: opened }
}
