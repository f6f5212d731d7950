/** Sessions and shards of a file: it has one engine at a time, whose session owns all of them. */
import type { Finding } from './finding.ts'

export interface StoredSession {
  readonly id: number
  readonly node: string
  readonly heartbeatAt: number
  readonly isFenced: boolean
}

export interface StoredShard {
  readonly id: number
  readonly sessionId: number | undefined
  readonly epoch: number
}

/** @param count of shards that the file was made with */
export function fileOwnershipFindings(
  sessions: readonly StoredSession[],
  shards: readonly StoredShard[],
  count: number,
): Finding[] {
  const findings: Finding[] = []
  const open = sessions.filter(({ isFenced }) => !isFenced)
  if (open.length > 1)
    findings.push({
      code: 'sessions-wrong',
      detail: `${open.length} sessions are not fenced: ${open.map(({ id }) => id).join(', ')}`,
    })
  findings.push(...shardCountFindings(shards, count))
  const newest = sessions.at(-1)?.id
  const foreign = shards.filter(({ sessionId }) => sessionId !== newest)
  if (foreign.length > 0)
    findings.push({
      code: 'shards-wrong',
      detail: `${foreign.length} shards do not belong to the newest session, ${newest ?? 'of which there is none'}`,
    })
  return findings
}

export function shardCountFindings(shards: readonly { readonly id: number }[], count: number): Finding[] {
  if (shards.length === count && shards.every(({ id }, i) => id === i)) return []
  return [
    {
      code: 'shards-wrong',
      detail: `there are ${shards.length} shards, and the store was made with ${count}`,
    },
  ]
}
