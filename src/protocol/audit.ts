/**
 * The audit trail: what is recorded of a call that changes something, or wanted to.
 *
 * Of each row the chain holds the entry. What names persons is apart from it, and the entry holds a salted commitment of that
 * part: it can be erased later, and the chain stays whole.
 */

/**
 * - `changed`: the change is in the commit of the row.
 * - `unchanged`: it was so already, or the same call had come before.
 * - `failed`: it was permitted, and did not come about; `code` says why.
 * - `denied`: it was not permitted.
 */
export type AuditResult = 'changed' | 'unchanged' | 'failed' | 'denied'

/** What the hash covers, as canonical JSON. */
export interface AuditEntry {
  readonly atMs: number
  /** Empty for what belongs to no namespace. */
  readonly namespace: string
  /** Such as `SignalExecution`. */
  readonly action: string
  /** What the call was about: `Execution`, `Task`, `Queue`, … */
  readonly type: string
  readonly result: AuditResult
  /** Error code of the catalogue, of what failed or was denied. */
  readonly code?: string
  /** How many things were changed, or how many such calls there were, if it is not one. */
  readonly count?: number
  /** Policies that decided; absent: none was asked. */
  readonly policies?: readonly string[]
  /** All rows of one call have the same. Absent in a row that stands for several calls. */
  readonly requestId?: string
  /** SHA-256 of salt and personal part, in hexadecimal digits. Absent: there is nothing personal. */
  readonly personal?: string
  /** Rows whose personal part goes with this one: session, first and last number. */
  readonly erases?: readonly AuditRange[]
  /** In the first row of a chain: of the session. */
  readonly incarnation?: string
}

export type AuditRange = readonly [session: number, firstSeq: number, lastSeq: number]

/** What names persons, or things that may be called after persons. */
export interface AuditPersonal {
  /** `Caller.id` */
  readonly caller: string
  readonly kind: string
  readonly name?: string
  /** Where it called from, without the port. */
  readonly address?: string
  /** Id of what it was about. */
  readonly resource?: string
  /** Who acted on a human task, as the caller says. */
  readonly actor?: string
}

/** The first row of each chain. */
export const BEGIN_CHAIN = 'BeginChain'
/** Rows that tell of an erasure. */
export const ERASE_AUDIT = 'EraseAudit'

/** A row of the trail, as it is stored and exported. */
export interface AuditRecord {
  /** Id of the session that wrote it. */
  readonly session: number
  /** 1, 2, 3, … in the order of the commits of the session. */
  readonly seq: number
  readonly atMs: number
  readonly namespace: string
  /** `AuditEntry`, canonical JSON. */
  readonly entry: string
  /** SHA-256(0x00 ‖ hash before ‖ entry), hexadecimal digits. */
  readonly hash: string
  /** `{ personal: AuditPersonal, salt }`, canonical JSON; null: there is none, or it was erased. */
  readonly personal: string | null
}

/** A signed head of the tree of all chains. */
export interface SignedHead {
  /** 1, 2, 3, … */
  readonly number: number
  readonly atMs: number
  /** `AuditHeadBody`, canonical JSON: what is signed. */
  readonly body: string
  /** Ed25519, base64. */
  readonly signature: string
  readonly keyId: string
}

/** Where a chain stood: the number of its row, and the hash. */
export type ChainPlace = readonly [session: number, seq: number, hash: string]

export interface AuditHeadBody {
  readonly number: number
  readonly atMs: number
  /** Hash of the head before; of the first one 64 zeros. */
  readonly prev: string
  /** Of the Merkle tree (RFC 6962) over the leaves, each as canonical JSON. */
  readonly root: string
  /** Chains that have grown since the head before, in order of their sessions. */
  readonly leaves: readonly ChainPlace[]
  /** Chains whose rows up to there are dropped in the commit of this head: their time of keeping is over. */
  readonly dropped: readonly ChainPlace[]
}
