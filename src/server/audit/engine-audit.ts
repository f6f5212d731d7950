/** The audit trail, for the program that has the engine. */
import { type ErasureTarget, eraseAudit } from '../../engine/audit/audit-erasure.ts'
import type { AuditSigner } from '../../engine/audit/audit-signer.ts'
import type { Engine } from '../../engine/engine.ts'
import { currentCall } from '../../platform/call-context.ts'
import { type AuditRecord, ERASE_AUDIT, type SignedHead } from '../../protocol/audit.ts'
import type { Caller } from '../../protocol/caller.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { type AuditItem, auditItems } from './audit-item.ts'
import { administered } from './audited-port.ts'

export interface AuditErasure {
  /** Who called, such as `key:ID`, or who has acted on human tasks. */
  readonly person?: string
  /** Id of what calls were about, such as a workflow id. */
  readonly resource?: string
  /** Default: all namespaces. */
  readonly namespace?: string
}

const LIST_DEFAULT = 100
const LIST_LIMIT = 1000

export class EngineAudit {
  readonly #engine: Engine
  readonly #signer: AuditSigner
  readonly #caller: Caller

  /** @internal */
  constructor(engine: Engine, signer: AuditSigner, caller: Caller) {
    this.#engine = engine
    this.#signer = signer
    this.#caller = caller
  }

  /** In order of (session, seq). `limit`: default 100, at most 1,000; the next page is after the last row of this one. */
  async rows(
    query: {
      readonly namespace?: string
      readonly fromMs?: number
      readonly toMs?: number
      readonly after?: { readonly session: number; readonly seq: number }
      readonly limit?: number
    } = {},
  ): Promise<readonly AuditRecord[]> {
    const limit = Math.min(query.limit ?? LIST_DEFAULT, LIST_LIMIT)
    return await this.#engine.options.store.auditRows({ ...query, limit })
  }

  /** Signed heads, the newest first. `limit`: default 100, at most 1,000. */
  async heads(
    query: { readonly before?: number; readonly limit?: number } = {},
  ): Promise<readonly SignedHead[]> {
    const limit = Math.min(query.limit ?? LIST_DEFAULT, LIST_LIMIT)
    const at = query.before === undefined ? {} : { after: query.before }
    return await this.#engine.options.store.auditHeads({ newestFirst: true, limit, ...at })
  }

  /** The whole trail, as it is exported and verified. */
  items(): AsyncIterable<AuditItem> {
    return auditItems(this.#engine.options.store)
  }

  /** Signs what is committed, without waiting for the next minute. In a cluster the node does so that owns the trail; others do nothing. */
  async sign(): Promise<void> {
    await this.#signer.sign()
  }

  /**
   * Erases who called, from where, and ids, of rows that fit all that is given. The chain stays whole, and a row tells of it. Resolves
   * with the number of rows when it is durable.
   *
   * @throws PerdureError `ARGUMENT_INVALID` if neither person nor resource is given
   */
  async erase(target: AuditErasure): Promise<number> {
    const { person, resource } = target
    if (person === undefined && resource === undefined)
      throw new PerdureError('ARGUMENT_INVALID', 'audit.erase() needs a person or a resource')
    return await this.eraseFor({ caller: this.#caller, policies: [] }, target)
  }

  /**
   * The same in the name of a caller, who may do so.
   *
   * @param by `policies`: those that permit it; none: none was asked
   * @internal
   */
  async eraseFor(
    { caller, policies }: { readonly caller: Caller; readonly policies: readonly string[] },
    target: ErasureTarget,
  ): Promise<number> {
    const { audit } = this.#engine
    const about = {
      action: ERASE_AUDIT,
      namespace: target.namespace ?? '',
      // Whom it was about is not to be in the trail any more.
      resource: { type: 'Audit', id: '' },
      ...(policies.length === 0 ? {} : { policies }),
    }
    const by = { audit, caller, newRequestId: () => this.#engine.newRunId() }
    return await administered(by, about, () => {
      const call = currentCall()
      if (call === undefined) throw new Error('invariant: nothing is recorded')
      return eraseAudit(this.#engine, target, call)
    })
  }
}
