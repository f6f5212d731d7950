/** Access of an engine, with its registry, and its audit trail if there is one. */
import type { Engine } from '../../engine/engine.ts'
import type { Registry } from '../../engine/registry/registry-port.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Caller } from '../../protocol/caller.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { administered, auditedCall, whoOf } from '../audit/audited-port.ts'
import { AccessAdmin } from './access-admin.ts'
import { type AccessAnswer, type AccessQuestion, explainAccess } from './access-explanation.ts'
import type { CheckedAccessSettings } from './access-settings.ts'
import { ClosedAccess } from './closed-access.ts'
import type { Refusal } from './guard.ts'
import { NamespaceAdmin } from './namespace-admin.ts'
import { OpenPlaces } from './open-places.ts'
import type { RecordChange } from './recorded-change.ts'

/** @internal */
export interface EngineAccessParts {
  readonly settings: CheckedAccessSettings
  /** Open: its registry is known. */
  readonly engine: Engine
  /** Of the engine, without a guard. */
  readonly port: ClientPort
  readonly logger: Logger
  readonly clock: Clock
}

/** Access of an engine that is open, and its administration. */
export class EngineAccess {
  /** @internal */
  readonly closed: ClosedAccess
  readonly admin: AccessAdmin
  readonly namespaces: NamespaceAdmin
  /** @internal */
  readonly places: OpenPlaces
  readonly #registry: Registry

  /** @internal */
  constructor(closed: ClosedAccess, { engine, port, clock }: EngineAccessParts) {
    const { registry } = engine
    this.closed = closed
    this.#registry = registry
    const record = recordIn(engine)
    this.places = new OpenPlaces({
      store: engine.options.store,
      quotasOf: (namespace) => closed.namespaces.quotasOf(namespace),
      nowMs: () => clock.tickMs?.() ?? clock.nowMs(),
    })
    this.admin = new AccessAdmin({ access: closed, registry, nowMs: () => clock.nowMs(), record })
    this.namespaces = new NamespaceAdmin({ access: closed, registry, port, record })
  }

  /** What is not as it was configured, such as a file of policies that is not in force. */
  get trouble(): string | undefined {
    return this.closed.trouble
  }

  /** @throws PerdureError `FORBIDDEN`, `ARGUMENT_INVALID`, `RECORD_NOT_FOUND` */
  explain(caller: Caller, question: AccessQuestion): Promise<AccessAnswer> {
    return explainAccess({ access: this.closed, registry: this.#registry }, caller, question)
  }
}

/**
 * @throws PerdureError `ARGUMENT_INVALID`
 *
 * @internal
 */
export async function openClosedAccess(given: EngineAccessParts): Promise<EngineAccess> {
  const { engine, ...parts } = given
  const { audit } = engine
  const closed = await ClosedAccess.open({
    ...parts,
    registry: engine.registry,
    metrics: engine.options.metrics?.registry,
    record: (caller, call, run) =>
      auditedCall({ audit, caller, newRequestId: () => engine.newRunId() }, call, run),
    onRefused: (refusal) => audit?.denied(deniedCallOf(refusal)),
  })
  return new EngineAccess(closed, given)
}

function recordIn(engine: Engine): RecordChange {
  return (caller, { action, resource, policies }, run) => {
    const { type, id, namespace = '' } = resource
    const asked = policies.length === 0 ? {} : { policies }
    return administered(
      { audit: engine.audit, caller, newRequestId: () => engine.newRunId() },
      { action, namespace, resource: { type, id }, ...asked },
      run,
    )
  }
}

function deniedCallOf({
  caller,
  action,
  resource,
  policies,
}: Refusal): Parameters<NonNullable<Engine['audit']>['denied']>[0] {
  const { type, namespace = '', id = type === 'Namespace' ? namespace : '' } = resource
  return { caller: whoOf(caller), action, namespace, resource: { type, id }, policies }
}
