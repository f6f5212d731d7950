/** An audit trail made by the chain and the heads of the engine, without an engine: several sessions at once, all rows named by heads. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SessionChain } from '../../src/engine/audit/session-chain.ts'
import { headHash, NO_HEAD } from '../../src/platform/audit/audit-hash.ts'
import { sealedPersonal } from '../../src/platform/audit/personal-part.ts'
import { signedHead, signerOf } from '../../src/platform/audit/signed-head.ts'
import {
  type AuditEntry,
  type AuditRecord,
  type ChainPlace,
  ERASE_AUDIT,
  type SignedHead,
} from '../../src/protocol/audit.ts'
import { canonicalJson } from '../../src/protocol/canonical-json.ts'
import { EXPORT_HEADER, lineOf } from '../../src/server/audit/audit-lines.ts'

export interface MadeTrail {
  readonly rows: AuditRecord[]
  readonly heads: SignedHead[]
}

export const KEYS = generateKeyPairSync('ed25519')

export function draftOf(
  given: Partial<AuditEntry>,
  i: number,
): Pick<AuditRecord, 'atMs' | 'namespace' | 'entry' | 'personal'> {
  const atMs = 1_750_000_000_000 + i
  const caller = `key:${['ann', 'bob', 'cy'][i % 3]}`
  const { text, commitment } = sealedPersonal({ caller, kind: 'api-key', resource: `order-${i}` })
  const entry: AuditEntry = {
    atMs,
    namespace: 'default',
    action: 'StartExecution',
    type: 'Execution',
    result: 'changed',
    requestId: `r${i}`,
    personal: commitment,
    ...given,
  }
  return { atMs, namespace: entry.namespace, entry: canonicalJson({ ...entry }), personal: text }
}

export function headOf(
  heads: readonly SignedHead[],
  leaves: readonly ChainPlace[],
  { dropped = [], key = KEYS.privateKey }: { dropped?: readonly ChainPlace[]; key?: KeyObject } = {},
): SignedHead {
  const before = heads.at(-1)
  const number = (before?.number ?? 0) + 1
  const prev = before === undefined ? NO_HEAD : headHash(before.body)
  return signedHead({ number, atMs: 1_750_000_000_000 + number, prev, leaves, dropped }, signerOf(key))
}

/** Of four sessions; the first rows of one of them were dropped, some personal parts were erased. */
export function madeTrail(): MadeTrail {
  const sessions = [3, 4, 7, 8].map((id) => ({ id, incarnation: `incarnation-${id}` }))
  const chains = sessions.map(() => new SessionChain())
  let rows: AuditRecord[] = []
  const heads: SignedHead[] = []
  const add = (at: number, drafts: ReturnType<typeof draftOf>[]): void => {
    const session = sessions[at]
    const chain = chains[at]
    if (session === undefined || chain === undefined) throw new Error('there is no such session')
    const sealed = chain.seal(session, drafts)
    chain.committed(sealed)
    rows.push(...sealed)
  }
  const grown = (): ChainPlace[] =>
    sessions.flatMap(({ id }): ChainPlace[] => {
      const last = rows.findLast(({ session }) => session === id)
      const named = heads.findLast(({ body }) => body.includes(`[${id},${last?.seq},`))
      return last === undefined || named !== undefined ? [] : [[id, last.seq, last.hash]]
    })
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 8; i++) add((i * i + round) % 4, [draftOf({}, round * 100 + i)])
    heads.push(headOf(heads, grown()))
  }
  const floor = rows.find(({ session, seq }) => session === 4 && seq === 3)
  if (floor === undefined) throw new Error('there is no row to drop')
  heads.push(headOf(heads, [], { dropped: [[4, 3, floor.hash]] }))
  rows = rows.filter(({ session, seq }) => session !== 4 || seq > 3)
  add(3, [draftOf({ action: ERASE_AUDIT, type: 'Audit', erases: [[3, 2, 3]] }, 600)])
  for (let i = 0; i < 4; i++) add(i, [draftOf({}, 700 + i)])
  rows = rows.map((row) =>
    row.session === 3 && row.seq >= 2 && row.seq <= 3 ? { ...row, personal: null } : row,
  )
  heads.push(headOf(heads, grown()))
  return { rows: rows.sort((a, b) => a.session - b.session || a.seq - b.seq), heads }
}

export function linesOf({ rows, heads }: MadeTrail): string[] {
  return [
    EXPORT_HEADER,
    ...heads.map((head) => lineOf({ kind: 'head', head })),
    ...rows.map((row) => lineOf({ kind: 'row', row })),
  ]
}
