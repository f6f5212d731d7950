/**
 * One object for each caller, so that what is kept of it (its port, its roles, decisions) is found again at its next request.
 *
 * Nothing of a credential is kept: it is looked at before anybody is asked for here, and says who it is. As soon as that is
 * anything else (a key was changed, a token is another one), so is the caller.
 */
import type { Caller } from '../../protocol/caller.ts'
import type { Credential } from './credential-watch.ts'

/** Who it is, wherever it calls from: for as long as that is the same, the same object. */
export type Identity = Omit<Caller, 'address'>

interface Known {
  readonly identity: Identity
  readonly caller: Caller
}

/** Each has a port, of some KiB. */
const CALLERS_MOST = 2000

export class KnownCallers {
  readonly #most: number
  /** The one that came first is the first. */
  readonly #known = new Map<string, Known>()

  constructor(most = CALLERS_MOST) {
    this.#most = most
  }

  get size(): number {
    return this.#known.size
  }

  /** @param onNew called with a caller that was not known */
  of(identity: Identity, address: string, credential: Credential, onNew: (caller: Caller) => void): Caller {
    const text = `${identity.id} ${shownBy(credential)} ${address}`
    const known = this.#known.get(text)
    // Of a certificate, its name is all that there is.
    if (known !== undefined && (known.identity === identity || identity.kind === 'certificate'))
      return known.caller
    const caller = { ...identity, address }
    this.#forgetOldest()
    this.#known.set(text, { identity, caller })
    onNew(caller)
    return caller
  }

  #forgetOldest(): void {
    if (this.#known.size < this.#most) return
    const [oldest = ''] = this.#known.keys()
    this.#known.delete(oldest)
  }
}

/** Two secrets of one key end at different times, and so do two tokens of one subject. */
function shownBy(credential: Credential): string {
  if (credential.kind === 'api-key') return credential.hash
  return credential.kind === 'token' ? `until ${credential.expiresMs}` : credential.kind
}
