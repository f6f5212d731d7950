/** What somebody may do to an exported audit trail who does not have the key. Each gives the lines as they are then. */
import { generateKeyPairSync } from 'node:crypto'
import { entryHash, genesisHash } from '../../src/platform/audit/audit-hash.ts'
import { sealedPersonal } from '../../src/platform/audit/personal-part.ts'
import type { Randomness } from '../../src/platform/randomness.ts'
import type {
  AuditEntry,
  AuditHeadBody,
  AuditRecord,
  ChainPlace,
  SignedHead,
} from '../../src/protocol/audit.ts'
import { canonicalJson } from '../../src/protocol/canonical-json.ts'
import { isJson, type Json } from '../../src/protocol/json.ts'
import { headOf, linesOf, type MadeTrail } from './made-trail.ts'

export interface Mutation {
  /** Undefined: nothing was changed, draw again. */
  readonly text: string | undefined
  /** Only a head that was exported shows it. */
  readonly needsHead?: boolean
}

type Mutate = (trail: MadeTrail, random: Randomness) => Mutation

const otherKey = generateKeyPairSync('ed25519').privateKey

const below = (random: Randomness, end: number): number => Math.floor(random() * end)
const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')
const changed = (trail: MadeTrail, text: string): Mutation => ({
  text: text === textOf(linesOf(trail)) ? undefined : text,
})
const made = (trail: MadeTrail): Mutation => ({ text: textOf(linesOf(trail)) })

function drawn<T>(random: Randomness, from: readonly T[]): T {
  const found = from[below(random, from.length)]
  if (found === undefined) throw new Error('there is nothing to draw from')
  return found
}

/** Another value in the place of one of a JSON value, at any depth. */
function edited(random: Randomness, value: Json): Json {
  if (Array.isArray(value) && value.length > 0) {
    const at = below(random, value.length)
    return value.map((item: Json, i) => (i === at ? edited(random, item) : item))
  }
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    const name = drawn(random, Object.keys(value))
    return { ...value, [name]: edited(random, (value as { readonly [key: string]: Json })[name] ?? null) }
  }
  if (typeof value === 'number') return value + 1 + below(random, 1000)
  if (typeof value === 'string') {
    const at = below(random, value.length + 1)
    return `${value.slice(0, at)}${drawn(random, ['0', 'x', 'é', '"'])}${value.slice(at + below(random, 2))}`
  }
  return drawn<Json>(random, [1, 'x', false, []].filter((each) => each !== value) as Json[])
}

/** The rows of one session with hashes that fit again, from `from` on. */
function chained(trail: MadeTrail, session: number, rows: readonly AuditRecord[]): AuditRecord[] {
  const old = trail.rows.filter((row) => row.session === session)
  let hash = beforeOf(trail, session)
  const own = rows.map((row, i) => {
    hash = entryHash(hash, row.entry)
    return { ...row, session, seq: (old[0]?.seq ?? 1) + i, hash }
  })
  return trail.rows
    .filter((row) => row.session < session)
    .concat(
      own,
      trail.rows.filter((row) => row.session > session),
    )
}

/** What the first row that is there follows from. */
function beforeOf({ rows, heads }: MadeTrail, session: number): string {
  const first = rows.find((row) => row.session === session)
  if (first?.seq === 1) return genesisHash(session, (JSON.parse(first.entry) as AuditEntry).incarnation ?? '')
  const dropped = heads.flatMap(({ body }) => (JSON.parse(body) as AuditHeadBody).dropped)
  const place = dropped.findLast(([of]) => of === session)
  if (place === undefined) throw new Error('the chain has no beginning')
  return place[2]
}

/** Of one session: its rows, with a change in one place. */
function rechained(
  trail: MadeTrail,
  random: Randomness,
  change: (rows: AuditRecord[], at: number) => AuditRecord[],
): MadeTrail {
  const session = drawn(random, trail.rows).session
  const own = trail.rows.filter((row) => row.session === session)
  // The first row of a chain begins it.
  const at = own.length === 1 ? 0 : 1 + below(random, own.length - 1)
  return { ...trail, rows: chained(trail, session, change(own, at)) }
}

const withEntry = (row: AuditRecord, change: Partial<AuditEntry>): AuditRecord => {
  const entry = canonicalJson({
    ...(JSON.parse(row.entry) as { [key: string]: Json }),
    ...(change as object),
  })
  return { ...row, entry }
}

/** All heads made anew for rows that were changed, as whoever has no key can do it. */
function resigned(trail: MadeTrail, isOwnKey: boolean): SignedHead[] {
  const heads: SignedHead[] = []
  for (const head of trail.heads) {
    const { leaves, dropped } = JSON.parse(head.body) as AuditHeadBody
    const again = leaves.map(([session, seq, hash]): ChainPlace => {
      const row = trail.rows.find((each) => each.session === session && each.seq === seq)
      return [session, seq, row?.hash ?? hash]
    })
    const { body, signature, keyId, ...rest } = headOf(heads, again, { dropped, key: otherKey })
    const next = { ...rest, body, signature: isOwnKey ? signature : head.signature, keyId: head.keyId }
    heads.push(isOwnKey ? { ...next, keyId } : next)
  }
  return heads
}

export const MUTATIONS: Readonly<Record<string, Mutate>> = {
  'a character is another one': (trail, random) => {
    const text = textOf(linesOf(trail))
    const at = below(random, text.length)
    const other = String.fromCharCode(below(random, 0x300))
    return changed(trail, text.slice(0, at) + other + text.slice(at + 1))
  },
  'a character is missing, or is more': (trail, random) => {
    const text = textOf(linesOf(trail))
    const at = below(random, text.length)
    const more = drawn(random, ['', '', ' ', '\n', '0', ',', 'a'])
    return changed(trail, text.slice(0, at) + more + text.slice(at + (more === '' ? 1 : 0)))
  },
  'a field is another one': (trail, random) => {
    const lines = linesOf(trail)
    const at = below(random, lines.length)
    const value: unknown = JSON.parse(lines[at] ?? '')
    if (!isJson(value)) throw new Error('a line is no JSON')
    return changed(trail, textOf(lines.with(at, canonicalJson(edited(random, value)))))
  },
  'a field of an entry or a body is another one': (trail, random) => {
    if (random() < 0.7) {
      const at = below(random, trail.rows.length)
      const rows = trail.rows.map((row, i) =>
        i === at ? { ...row, entry: canonicalJson(edited(random, JSON.parse(row.entry) as Json)) } : row,
      )
      return changed(trail, textOf(linesOf({ ...trail, rows })))
    }
    const at = below(random, trail.heads.length)
    const heads = trail.heads.map((head, i) =>
      i === at ? { ...head, body: canonicalJson(edited(random, JSON.parse(head.body) as Json)) } : head,
    )
    return changed(trail, textOf(linesOf({ ...trail, heads })))
  },
  'a line is missing': (trail, random) => {
    const lines = linesOf(trail)
    // The newest head and what only it names: see below.
    const at = below(random, lines.length)
    const isNewest = at === trail.heads.length
    return { ...made(trail), text: textOf(lines.toSpliced(at, 1)), needsHead: isNewest }
  },
  'two lines have changed places': (trail, random) => {
    const lines = linesOf(trail)
    const a = below(random, lines.length)
    const b = below(random, lines.length)
    return changed(trail, textOf(lines.with(a, lines[b] ?? '').with(b, lines[a] ?? '')))
  },
  'a line is somewhere else': (trail, random) => {
    const lines = linesOf(trail)
    const [line = ''] = lines.splice(below(random, lines.length), 1)
    return changed(trail, textOf(lines.toSpliced(below(random, lines.length + 1), 0, line)))
  },
  'a line is there twice': (trail, random) => {
    const lines = linesOf(trail)
    const line = drawn(random, lines)
    return changed(trail, textOf(lines.toSpliced(below(random, lines.length + 1), 0, line)))
  },
  'the rest is cut off': (trail, random) => {
    const text = textOf(linesOf(trail))
    return { text: text.slice(0, below(random, text.length)) }
  },
  'lines at the end are cut off': (trail, random) => {
    const lines = linesOf(trail)
    return { text: textOf(lines.slice(0, lines.length - 1 - below(random, trail.rows.length))) }
  },
  'a chain is missing': (trail, random) => {
    const { session } = drawn(random, trail.rows)
    return made({ ...trail, rows: trail.rows.filter((row) => row.session !== session) })
  },
  'the end of a chain is missing': (trail, random) => {
    const { session, seq } = drawn(random, trail.rows)
    return made({ ...trail, rows: trail.rows.filter((row) => row.session !== session || row.seq < seq) })
  },
  'the beginning of a chain is missing': (trail, random) => {
    const { session, seq } = drawn(random, trail.rows)
    return made({ ...trail, rows: trail.rows.filter((row) => row.session !== session || row.seq > seq) })
  },
  'two chains have changed their sessions': (trail, random) => {
    const [a, b] = [drawn(random, trail.rows).session, drawn(random, trail.rows).session]
    const rows = trail.rows.map((row) =>
      row.session === a ? { ...row, session: b } : row.session === b ? { ...row, session: a } : row,
    )
    const sorted = rows.toSorted((x, y) => x.session - y.session || x.seq - y.seq)
    return changed(trail, textOf(linesOf({ ...trail, rows: sorted })))
  },
  'an entry is edited, and the hashes made anew': (trail, random) =>
    made(
      rechained(trail, random, (rows, at) =>
        rows.map((row, i) => (i === at ? withEntry(row, { action: 'ListExecutions' }) : row)),
      ),
    ),
  'a row is taken out, and the hashes made anew': (trail, random) =>
    made(rechained(trail, random, (rows, at) => rows.toSpliced(at, 1))),
  'a row is put in, and the hashes made anew': (trail, random) =>
    made(
      rechained(trail, random, (rows, at) => {
        // A copy of the last one, before it, would be one after it: see what no head names yet.
        const copy = drawn(
          random,
          trail.rows.filter((row) => row !== rows[at]),
        )
        return rows.toSpliced(at, 0, copy)
      }),
    ),
  'two rows change places, and the hashes are made anew': (trail, random) => {
    const mutated = rechained(trail, random, (rows, at) => {
      const other = below(random, rows.length)
      return rows.with(at, rows[other] ?? drawn(random, rows)).with(other, rows[at] ?? drawn(random, rows))
    })
    return changed(trail, textOf(linesOf(mutated)))
  },
  'another person has done it, and the hashes are made anew': (trail, random) =>
    made(
      rechained(trail, random, (rows, at) => {
        const { text, commitment } = sealedPersonal({ caller: 'key:eve', kind: 'api-key' })
        return rows.map((row, i) =>
          i === at ? { ...withEntry(row, { personal: commitment }), personal: text } : row,
        )
      }),
    ),
  'an entry is edited, and all is made anew but the signatures': (trail, random) => {
    const mutated = rechained(trail, random, (rows, at) =>
      rows.map((row, i) => (i === at ? withEntry(row, { action: 'ListExecutions' }) : row)),
    )
    return made({ ...mutated, heads: resigned(mutated, false) })
  },
  'an entry is edited, and all is signed with another key': (trail, random) => {
    const mutated = rechained(trail, random, (rows, at) =>
      rows.map((row, i) => (i === at ? withEntry(row, { action: 'ListExecutions' }) : row)),
    )
    return made({ ...mutated, heads: resigned(mutated, true) })
  },
  'a personal part is that of another row': (trail, random) => {
    const [a, b] = [drawn(random, trail.rows), drawn(random, trail.rows)]
    const rows = trail.rows.map((row) => (row === a ? { ...row, personal: b.personal } : row))
    return changed(trail, textOf(linesOf({ ...trail, rows })))
  },
  'a personal part is gone, and nobody has erased it': (trail, random) => {
    const at = drawn(random, trail.rows)
    const rows = trail.rows.map((row) => (row === at ? { ...row, personal: null } : row))
    return changed(trail, textOf(linesOf({ ...trail, rows })))
  },
  'the beginning of a chain is dropped, as another key says': (trail, random) => {
    const { session, seq, hash } = drawn(random, trail.rows)
    const heads = [
      ...trail.heads,
      headOf(trail.heads, [], { dropped: [[session, seq, hash]], key: otherKey }),
    ]
    return made({ heads, rows: trail.rows.filter((row) => row.session !== session || row.seq > seq) })
  },
  'a head in the middle is missing': (trail, random) => {
    const at = below(random, trail.heads.length - 1)
    return made({ ...trail, heads: trail.heads.toSpliced(at, 1) })
  },
  'the newest heads are cut off, with what only they name': (trail, random) => {
    const heads = trail.heads.slice(0, below(random, trail.heads.length))
    return { ...made({ heads, rows: namedBy(trail, heads) }), needsHead: true }
  },
  'the newest heads are cut off, and what only they name is made anew': (trail, random) => {
    const heads = trail.heads.slice(0, below(random, trail.heads.length))
    const named = namedBy(trail, heads)
    const isFree = (row: AuditRecord): boolean =>
      !named.includes(row) && row.seq > 1 && !row.entry.includes('erases')
    const free = trail.rows.filter(isFree)
    if (free.length === 0) return { text: undefined }
    const { session } = drawn(random, free)
    const own = trail.rows.filter((row) => row.session === session)
    const forged = own.map((row) => (isFree(row) ? withEntry(row, { action: 'ListExecutions' }) : row))
    return { ...made({ heads, rows: chained(trail, session, forged) }), needsHead: true }
  },
}

/** Rows up to the last one of their chain that one of these heads names. */
function namedBy({ rows }: MadeTrail, heads: readonly SignedHead[]): AuditRecord[] {
  const last = new Map<number, number>()
  for (const { body } of heads)
    for (const [session, seq] of (JSON.parse(body) as AuditHeadBody).leaves) last.set(session, seq)
  return rows.filter(({ session, seq }) => seq <= (last.get(session) ?? 0))
}
