/**
 * Where a webhook may lead, as far as its URL says by itself: what would never be called is refused when the webhook is made.
 *
 * Other names are looked up for each delivery; where they lead is looked at then.
 */
import { isIP } from 'node:net'
import { addressRefusal } from '../../platform/outgoing-addresses.ts'
import { PerdureError } from '../../protocol/errors.ts'

/** RFC 6761: it leads to the machine that asks. */
const LOCALHOST = /^(.+\.)?localhost\.?$/

/**
 * @param url what is no URL is left to who looks at the rest of the webhook
 * @throws PerdureError `ARGUMENT_INVALID`
 */
export function assertTarget(url: unknown, allowPrivate: boolean): void {
  if (typeof url !== 'string' || !URL.canParse(url)) return
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  if (LOCALHOST.test(host) && !allowPrivate)
    throw refused(`${host} is a name of this machine`, UNLESS_ALLOWED)
  if (isIP(host) === 0) return
  const refusal = addressRefusal(host, allowPrivate)
  if (refusal === 'private')
    throw refused(`${host} is an address of a private network or of this machine`, UNLESS_ALLOWED)
  if (refusal === 'never')
    throw refused(`${host} is a link-local address, one where clouds keep secrets, or of nobody`, 'never')
}

const UNLESS_ALLOWED = 'not, unless the engine has webhooks.allowPrivate (--webhooks-allow-private)'

function refused(what: string, when: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `url: ${what}: webhooks call it ${when}`)
}
