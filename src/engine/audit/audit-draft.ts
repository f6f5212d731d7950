/** What is recorded of a call, before it has its place in the chain. */
import { sealedPersonal } from '../../platform/audit/personal-part.ts'
import type { AuditEntry, AuditPersonal } from '../../protocol/audit.ts'
import type { CallContext } from '../../protocol/call-context.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import type { AuditDraft } from '../../store/contract/audit-rows.ts'

/** What came of a call. */
export type CallOutcome = Pick<AuditEntry, 'result' | 'code' | 'count' | 'erases'>

/** A call, or several that are recorded as one: those have no id, and are about nothing in particular. */
export type RecordedCall = Omit<CallContext, 'requestId' | 'resource'> & {
  readonly requestId?: string
  readonly resource: { readonly type: string; readonly id?: string }
}

export function draftOf(call: RecordedCall, outcome: CallOutcome, atMs: number): AuditDraft {
  const { text, commitment } = sealedPersonal(personalOf(call))
  const { action, namespace, resource, policies, requestId } = call
  const { result, code, count, erases } = outcome
  const entry: AuditEntry = {
    atMs,
    namespace,
    action,
    type: resource.type,
    result,
    personal: commitment,
    ...(code === undefined ? {} : { code }),
    ...(count === undefined || count === 1 ? {} : { count }),
    ...(erases === undefined ? {} : { erases }),
    ...(policies === undefined ? {} : { policies }),
    ...(requestId === undefined ? {} : { requestId }),
  }
  return { atMs, namespace, entry: canonicalJson({ ...entry }), personal: text }
}

function personalOf({ caller, resource, actor }: RecordedCall): AuditPersonal {
  const { id, kind, name, address } = caller
  return {
    caller: id,
    kind,
    ...(name === undefined ? {} : { name }),
    ...(address === undefined ? {} : { address }),
    ...(resource.id === undefined || resource.id === '' ? {} : { resource: resource.id }),
    ...(actor === undefined ? {} : { actor }),
  }
}
