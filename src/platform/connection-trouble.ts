/** Why an engine is not reached, in words. */
const UNAUTHENTICATED = /server response: 401/
const TOO_OFTEN = /server response: 429/

/** What an engine that refuses a certificate looks like from outside. */
const CUT_SHORT = /socket hang up|ECONNRESET|alert|disconnected before secure/i

/** The engine does not take what it was shown, or was shown nothing. */
export function isUnauthenticated({ message }: Error): boolean {
  return UNAUTHENTICATED.test(message)
}

/** Why there was no connection, for people: an engine does not say that it refuses a certificate. */
export function connectionTrouble(url: string, error: Error & { readonly code?: string }): string {
  const why = error.message.trim() || (error.code ?? error.name)
  if (isUnauthenticated(error))
    return `${why} (the engine asks who this is, and does not take what it was shown: token, or a certificate)`
  if (TOO_OFTEN.test(why)) return `${why} (this address was refused too often: it is asked again later)`
  if (!CUT_SHORT.test(why)) return why
  return url.startsWith('wss:')
    ? `${why} (the engine may have refused the certificate of this program, or missed it: its log says so)`
    : `${why} (the engine may want TLS: a URL like wss://…, and a certificate)`
}
