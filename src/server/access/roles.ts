/** Roles, and where they count. */

export const ROLES = ['admin', 'operator', 'developer', 'worker', 'participant', 'auditor', 'viewer'] as const

export type Role = (typeof ROLES)[number]

export interface Grant {
  readonly role: Role
  /** Absent: in all namespaces, and for what belongs to none. */
  readonly namespace?: string
}

const EVERYWHERE = '*'

export function isRole(text: string): text is Role {
  return ROLES.some((role) => role === text)
}

/**
 * `viewer`: in `own`; `viewer@billing`: there; `viewer@*`: everywhere.
 *
 * @returns undefined: it is no role, as those that an issuer gives for other programs
 */
export function grantOf(text: string, own: string): Grant | undefined {
  const at = text.indexOf('@')
  const role = at < 0 ? text : text.slice(0, at)
  const namespace = at < 0 ? own : text.slice(at + 1)
  if (!isRole(role) || namespace === '') return undefined
  return namespace === EVERYWHERE ? { role } : { role, namespace }
}

export function grantText({ role, namespace = EVERYWHERE }: Grant): string {
  return `${role}@${namespace}`
}
