/** Who calls the engine. */

export type CallerKind = 'embedded' | 'open' | 'api-key' | 'token' | 'certificate'

export interface Caller {
  /**
   * Names it for good, in decisions and in the audit: `embedded`, `open`, `key:ID`, `token:ISSUER#SUBJECT`,
   * `certificate:NAME`.
   */
  readonly id: string
  /** `open`: the door asks for no credential, as on loopback without `access`. */
  readonly kind: CallerKind
  /** For people. */
  readonly name?: string
  /** Who it is for human tasks; absent: it is nobody there. */
  readonly user?: string
  /** What its issuer says that it belongs to. */
  readonly groups: readonly string[]
  /** What its credential brings along: `viewer` (in its own namespace), `operator@billing`, `admin@*` (in all). */
  readonly roles?: readonly string[]
  /** Its calls are about this namespace if they name none; absent: `default`. */
  readonly namespace?: string
  /** Address that it calls from, without the port; absent: it is in the process of the engine. */
  readonly address?: string
}
