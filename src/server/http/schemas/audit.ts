/** Shapes of what is said about the audit trail. */
import Type from 'typebox'
import {
  answered,
  asked,
  count,
  cursor,
  flag,
  list,
  name,
  optional,
  paging,
  timeMs,
  words,
} from './values.ts'

const RESULTS = ['changed', 'unchanged', 'failed', 'denied'] as const

export const auditFilter = {
  namespace: optional(
    name(
      'Only rows of it. Default: all that you may read, if you may read them everywhere; else that of the credential.',
    ),
  ),
  sinceMs: optional(timeMs('Only rows of this time or later.')),
  untilMs: optional(timeMs('Only rows before this time.')),
  person: optional(name('Only calls of this caller, such as `key:ID`, or of who acted on a human task.')),
  resource: optional(name('Only calls about this id, such as a workflow id.')),
  ...paging,
}

const auditRow = answered('AuditRow', {
  session: count('The session of an engine that has written it.'),
  seq: count('1, 2, 3, … in the session.'),
  atMs: timeMs('By the clock of the engine.'),
  namespace: optional(Type.String({ description: 'Absent: it belongs to none.' })),
  action: Type.String({ description: 'Such as `SignalExecution`.' }),
  type: Type.String({ description: 'Of what it was about, such as `Execution`.' }),
  result: words(RESULTS),
  code: optional(Type.String({ description: 'Error code, of what failed or was denied.' })),
  count: optional(
    count('How many things were changed, or how many such calls there were, if it is not one.'),
  ),
  policies: optional(list(Type.String(), 'Those that decided.')),
  requestId: optional(Type.String({ description: 'The same in all rows of one call.' })),
  caller: optional(Type.String({ description: 'Id of who called.' })),
  kind: optional(Type.String({ description: 'Of the caller, such as `api-key`.' })),
  name: optional(Type.String({ description: 'Of the caller, for people.' })),
  address: optional(Type.String({ description: 'Where it called from.' })),
  resource: optional(Type.String({ description: 'Id of what it was about.' })),
  actor: optional(Type.String({ description: 'Who acted on a human task, as the caller says.' })),
  isErased: flag('Who called, from where, and ids were erased.'),
  hash: Type.String({ description: 'Of the chain up to here: SHA-256, hexadecimal digits.' }),
})
export const auditPage = answered('AuditRows', { rows: list(auditRow), cursor })

const auditHead = answered('AuditHead', {
  number: count('1, 2, 3, …'),
  atMs: timeMs('When it was signed.'),
  body: Type.String({ description: 'What is signed: canonical JSON.' }),
  signature: Type.String({ description: 'Ed25519, base64.' }),
  keyId: Type.String({ description: 'Of the key that has signed.' }),
})
export const auditHeads = answered('AuditHeads', { heads: list(auditHead), cursor })

export const erasure = asked({
  person: optional(name('Who called, such as `key:ID`, or who has acted on human tasks.')),
  workflowId: optional(name('Id of what calls were about.')),
})
export const erased = answered('AuditErased', { rows: count('Of which it was erased.') })
