import { PerdureError } from '../protocol/errors.ts'

/** An engine wants to know who calls: what it takes. */
export function notKnown(hasToken: boolean, cause?: unknown): PerdureError {
  const what = hasToken
    ? 'the engine does not take this API key or token: it is of another engine, was revoked, or has expired'
    : 'this engine wants to know who calls, and no API key or token was given: --token-file FILE, PERDURE_TOKEN, or a profile'
  return new PerdureError('UNAUTHENTICATED', what, { cause })
}
