/** Shapes of what is said about claimed tasks. */
import Type from 'typebox'
import { NOTE_CHARACTERS_MAX } from '../../../protocol/worker-messages.ts'
import { answered, asked, count, flag, list, name, optional, payload } from './values.ts'

export const tokenParam = {
  token: Type.String({ minLength: 1, maxLength: 4096, description: 'Of the claim.' }),
}

export const claimRequest = asked({
  worker: name('Your name for it, for people.'),
  tasks: Type.Array(name('Of a task.'), {
    minItems: 1,
    maxItems: 1000,
    description: 'Names of tasks that it can run.',
  }),
  max: optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Tasks at most. Default 1.' })),
  waitMs: optional(
    Type.Integer({
      minimum: 0,
      maximum: 60_000,
      description: 'How long to wait for the first, milliseconds. Default 0.',
    }),
  ),
  leaseMs: optional(
    Type.Integer({
      minimum: 1000,
      maximum: 3_600_000,
      description:
        'A claim of which nothing is heard for so long is lost: its task waits again. Milliseconds; default 30,000.',
    }),
  ),
})

const claim = answered('Claim', {
  token: Type.String({ description: 'With it the end of the task is told. Keep it secret.' }),
  id: Type.String({ description: 'Of the task.' }),
  name: Type.String({ description: 'Of the task.' }),
  input: optional(payload('Of the task.')),
  attempt: count('1, 2, …'),
  idempotencyKey: Type.String({
    description: 'The same for all attempts: give it to receivers that deduplicate.',
  }),
  checkpoint: optional(payload('What the last attempt left.')),
  traceparent: optional(
    Type.String({
      description: 'W3C Trace Context of what asked for the task: the parent of the spans of the attempt.',
    }),
  ),
  tracestate: optional(Type.String({ description: 'Goes with `traceparent`.' })),
})
export const claims = answered('Claims', { claims: list(claim, 'None: nothing came in this time.') })

export const completion = asked({ result: optional(payload('What the task returns.')) })
export const failing = asked({
  name: optional(
    Type.String({ minLength: 1, maxLength: 1024, description: 'Of the error. Default `Error`.' }),
  ),
  message: Type.String({ maxLength: 16_384, description: 'Of the error.' }),
  code: optional(Type.String({ maxLength: 1024, description: 'Of the error.' })),
  nonRetryable: optional(flag('True: it is not tried again.')),
})
export const heartbeat = asked({
  checkpoint: optional(payload('What the next attempt starts from.')),
  progress: optional(
    asked({
      fraction: Type.Number({ minimum: 0, maximum: 1 }),
      note: optional(Type.String({ maxLength: NOTE_CHARACTERS_MAX })),
    }),
  ),
})
export const lease = answered('Lease', {
  leaseMs: count('The claim is lost if nothing more is heard of it for so long, milliseconds.'),
})
