/** Tells in time, and each day again, that a certificate of this process, or of its authorities, is about to expire. */
import { X509Certificate } from 'node:crypto'
import type { Cancel, Clock } from './clock.ts'
import type { TlsMaterial } from './tls.ts'

const DAY_MS = 86_400_000
const WARNED_MS = 30 * DAY_MS
/** Of those that live shorter than 90 days the last third: they are renewed in time, or should be. */
const WARNED_SHARE = 1 / 3
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

export interface ExpiringCertificate {
  readonly part: 'cert' | 'ca'
  readonly subject: string
  /** ISO 8601. */
  readonly expiresAt: string
  /** Whole ones; 0 on the last day, negative when it has expired. */
  readonly daysLeft: number
}

/** Those that expire within 30 days, or within the last third of their life if that is shorter. */
export function expiringCertificates(material: TlsMaterial, nowMs: number): readonly ExpiringCertificate[] {
  return (['cert', 'ca'] as const).flatMap((part) =>
    (material[part]?.match(PEM_CERTIFICATE) ?? []).flatMap((pem) => {
      const { subject, validFrom, validTo } = new X509Certificate(pem)
      const endMs = Date.parse(validTo)
      const warnedMs = Math.min(WARNED_MS, (endMs - Date.parse(validFrom)) * WARNED_SHARE)
      if (endMs - nowMs > warnedMs) return []
      const daysLeft = Math.floor((endMs - nowMs) / DAY_MS)
      return [{ part, subject, expiresAt: new Date(endMs).toISOString(), daysLeft }]
    }),
  )
}

export function expiryText({ part, subject, expiresAt, daysLeft }: ExpiringCertificate): string {
  const what = part === 'ca' ? 'the authority' : 'the certificate'
  const when =
    daysLeft < 0 ? 'has expired' : `expires ${daysLeft === 0 ? 'within a day' : `in ${daysLeft} days`}`
  return `${what} ${subject.replaceAll('\n', ', ')} ${when}, on ${expiresAt}`
}

export interface ExpiryWatchOptions {
  /** As it is used at this moment: a renewed one is not warned of. */
  readonly current: () => TlsMaterial
  readonly clock: Clock
  readonly warn: (message: string, fields: { readonly [name: string]: unknown }) => void
}

/** Looks now, and once a day. */
export function watchExpiry({ current, clock, warn }: ExpiryWatchOptions): Cancel {
  let cancel: Cancel = () => {}
  const look = (): void => {
    for (const each of expiringCertificates(current(), clock.nowMs()))
      warn(`${expiryText(each)}: renew it, or connections will be refused`, { ...each })
    cancel = clock.after(DAY_MS, look)
  }
  look()
  return () => cancel()
}
