/** The audit trail of an engine: its parts, and the ports whose calls it records. */

import { AuditSigner } from '../../engine/audit/audit-signer.ts'
import { SessionChain } from '../../engine/audit/session-chain.ts'
import type { AuditChain } from '../../engine/audit-chain.ts'
import type { Engine } from '../../engine/engine.ts'
import type { AuditSigner as Key } from '../../platform/audit/signed-head.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Caller } from '../../protocol/caller.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { type AuditSettings, checkedAuditSettings } from './audit-settings.ts'
import { auditedPort } from './audited-port.ts'
import { EngineAudit } from './engine-audit.ts'
import { signingKey } from './signing-key.ts'

/** Who calls in the process of the engine. */
export const EMBEDDED: Caller = { id: 'embedded', kind: 'embedded', groups: [] }
/** Requests that came in with transactions of users' databases. */
export const REQUESTS: Caller = { id: 'requests', kind: 'embedded', groups: [] }

export interface OpenAudit {
  readonly chain: AuditChain
  readonly key: Key
  readonly retentionMs: number | undefined
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function openAudit(settings: AuditSettings | undefined, logger: Logger): OpenAudit | undefined {
  if (settings === undefined) return undefined
  const { signingKeyFile, retentionMs } = checkedAuditSettings(settings)
  return { chain: new SessionChain(), key: signingKey(signingKeyFile, logger), retentionMs }
}

/** The trail of an engine that is not open yet. */
export interface BuiltAudit {
  readonly trail: EngineAudit
  /** When it is open. */
  start(): void
  /** Before the engine closes. */
  stop(): Promise<void>
}

export function buildAudit(engine: Engine, audit: OpenAudit | undefined): BuiltAudit | undefined {
  if (audit === undefined) return undefined
  const { key, retentionMs } = audit
  const signer = new AuditSigner({ engine, key, retentionMs })
  if (engine.audit !== undefined) engine.audit.onLastFlush = () => signer.finish()
  return {
    trail: new EngineAudit(engine, signer, EMBEDDED),
    start: () => signer.start(),
    stop: () => signer.stop(),
  }
}

/** The engine's port in the name of each caller. */
export function portsOf(engine: Engine, port: ClientPort): (caller: Caller) => ClientPort {
  const { audit } = engine
  return (caller) => auditedPort(port, { audit, caller, newRequestId: () => engine.newRunId() })
}
