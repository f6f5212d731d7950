/**
 * The policies in force: those of the built-in roles, those of files, those of the registry.
 *
 * 1. Files count as a whole, and so do the policies of the registry: with anything in them that is not good, those from before
 *    stay, the log says so, and so does `trouble` until it is mended.
 * 2. Files that are not good when the engine starts stop it. Policies of the registry that are not good then (another version
 *    of the engine has written them) shut everybody out but the key of the machine: nobody knows what they forbid.
 */

import type { Registry } from '../../engine/registry/registry-port.ts'
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { PolicyFiles } from './policy-files.ts'
import {
  type Cedar,
  loadCedar,
  PolicyInvalidError,
  PolicySet,
  type PolicyText,
  policiesOf,
} from './policy-set.ts'
import { ROLE_POLICIES } from './role-policies.ts'

export const POLICY_KIND = 'policy'
const LOOK_EVERY_MS = 1000
/** Until those of the registry could be read. */
const SHUT: PolicyText = { id: 'policies-not-readable', text: 'forbid (principal, action, resource);' }

export interface PoliciesParts {
  /** File or directory. */
  readonly path: string | undefined
  readonly registry: Registry
  readonly logger: Logger
  readonly clock: Clock
  readonly onChange: () => void
}

type Source = 'files' | 'registry'

export class Policies {
  readonly #parts: PoliciesParts
  readonly #cedar: Cedar
  readonly #files: PolicyFiles | undefined
  readonly #texts: Record<Source, readonly PolicyText[]>
  readonly #troubles = new Map<Source, string>()
  #current: PolicySet
  #cancelLook: Cancel = () => {}
  #isReadSoon = false
  #isClosed = false
  readonly #unfollow: () => void

  /** @throws PerdureError `ARGUMENT_INVALID` */
  static async open(parts: PoliciesParts): Promise<Policies> {
    return new Policies(parts, await loadCedar())
  }

  private constructor(parts: PoliciesParts, cedar: Cedar) {
    this.#parts = parts
    this.#cedar = cedar
    this.#files = parts.path === undefined ? undefined : new PolicyFiles(parts.path, cedar)
    this.#texts = { files: this.#firstFiles(), registry: [SHUT] }
    this.#read('registry', () => this.#registryTexts())
    this.#current = this.#compiled()
    this.#unfollow = parts.registry.follow(POLICY_KIND, () => this.#readSoon())
    this.#look()
  }

  get current(): PolicySet {
    return this.#current
  }

  /** Those of the registry could never be read: nothing is permitted. */
  get isShut(): boolean {
    return this.#texts.registry.includes(SHUT)
  }

  /** What is wrong with policies that were changed, and are not in force. */
  get trouble(): string | undefined {
    return this.#troubles.size === 0 ? undefined : [...this.#troubles.values()].join('; ')
  }

  /** @throws PolicyInvalidError */
  check(id: string, text: string): void {
    this.#assertGood(this.#textsOf(id, text))
  }

  close(): void {
    this.#isClosed = true
    this.#cancelLook()
    this.#unfollow()
    this.#current.close()
  }

  #firstFiles(): readonly PolicyText[] {
    try {
      const texts = this.#files?.read() ?? []
      this.#assertGood(texts)
      return texts
    } catch (error) {
      if (!(error instanceof PolicyInvalidError)) throw error
      throw new PerdureError('ARGUMENT_INVALID', `access.policies: ${error.message}`, { cause: error })
    }
  }

  /** Whether those of the source are good, and count from now on. */
  #read(source: Source, read: () => readonly PolicyText[]): boolean {
    try {
      const texts = read()
      this.#assertGood(texts)
      this.#texts[source] = texts
      this.#troubles.delete(source)
      return true
    } catch (error) {
      if (!(error instanceof PolicyInvalidError)) throw error
      this.#troubles.set(source, `policies of the ${source}: ${error.message}`)
      this.#parts.logger.error('changed policies are not in force: those from before stay', {
        source,
        reason: error.message,
      })
      return false
    }
  }

  /**
   * They are put together as a whole: of many changes that come in one turn, once. Whoever has made one goes on after that, so that
   * what it has changed is in force then.
   */
  #readSoon(): void {
    if (this.#isReadSoon) return
    this.#isReadSoon = true
    queueMicrotask(() => {
      this.#isReadSoon = false
      if (!this.#isClosed && this.#read('registry', () => this.#registryTexts())) this.#renew()
    })
  }

  #renew(): void {
    const before = this.#current
    this.#current = this.#compiled()
    before.close()
    this.#parts.logger.info('changed policies are in force', { policies: this.#current.size })
    this.#parts.onChange()
  }

  #look(): void {
    this.#cancelLook = this.#parts.clock.after(LOOK_EVERY_MS, () => {
      const files = this.#files
      if (files?.haveChanged === true && this.#read('files', () => files.read())) this.#renew()
      this.#look()
    })
  }

  #compiled(): PolicySet {
    return new PolicySet(this.#cedar, [...built(), ...this.#texts.files, ...this.#texts.registry])
  }

  #assertGood(texts: readonly PolicyText[]): void {
    new PolicySet(this.#cedar, texts).close()
  }

  #registryTexts(): readonly PolicyText[] {
    return this.#parts.registry.list(POLICY_KIND).flatMap(({ id, body }) => {
      const text: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'text') : undefined
      if (typeof text !== 'string') throw new PolicyInvalidError(`the policy ${id} has no text`)
      return this.#textsOf(id, text)
    })
  }

  #textsOf(id: string, text: string): readonly PolicyText[] {
    return policiesOf(this.#cedar, text, ['api', id])
  }
}

function built(): readonly PolicyText[] {
  return Object.entries(ROLE_POLICIES).map(([id, text]) => ({ id, text }))
}
