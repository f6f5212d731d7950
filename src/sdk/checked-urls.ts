/** URLs of engines, as programs give them to `connect()` and `createWorker()`. */
import { PerdureError } from '../protocol/errors.ts'

/**
 * One or several, in one form.
 *
 * @param call whose URLs they are, for errors, such as `connect()`
 * @param isSecure the program has certificates: over `ws:` they would not be used, and nothing would be encrypted
 * @throws PerdureError `ARGUMENT_INVALID`
 */
export function checkedUrls(given: unknown, call: string, isSecure: boolean): readonly string[] {
  const urls = (Array.isArray(given) ? given : [given]).map(checkedUrl)
  if (urls.length === 0) throw new PerdureError('ARGUMENT_INVALID', `${call} has no url: its list is empty`)
  const open = urls.find((url) => url.startsWith('ws:'))
  if (isSecure && open !== undefined)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `${call} has tls, and its url ${open} is one without TLS: write wss://…, or leave tls out`,
    )
  return [...new Set(urls)]
}

function checkedUrl(url: unknown): string {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined
  // The REST API is on the same port.
  if (parsed !== undefined && /^(wss?|https?):$/.test(parsed.protocol))
    return parsed.href.replace(/^http/, 'ws')
  throw new PerdureError(
    'ARGUMENT_INVALID',
    `url is ${JSON.stringify(url)}, not a URL like ws://127.0.0.1:7233`,
  )
}
