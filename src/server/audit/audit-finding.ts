/** Something that the engine did not do to the audit trail. */
export interface AuditFinding {
  readonly detail: string
  readonly session?: number
  readonly seq?: number
  readonly head?: number
}
