import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SessionChain } from '../../src/engine/audit/session-chain.ts'
import { entryHash } from '../../src/platform/audit/audit-hash.ts'
import { trustedKeys } from '../../src/platform/audit/signed-head.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import type { AuditRecord, SignedHead } from '../../src/protocol/audit.ts'
import { itemOf, LinesReader, lineOf } from '../../src/server/audit/audit-lines.ts'
import { type AuditReport, AuditVerification } from '../../src/server/audit/audit-verification.ts'
import { draftOf, headOf, KEYS, linesOf, madeTrail } from './made-trail.ts'
import { MUTATIONS } from './mutations.ts'

const RUNS = 10_000

function verified(text: string, exported?: SignedHead): AuditReport {
  const verification = new AuditVerification({ keys: trustedKeys([KEYS.publicKey]) })
  const reader = new LinesReader(verification)
  reader.take(text)
  reader.end()
  return verification.finish(exported)
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

test('a trail that nobody has touched is whole', () => {
  const trail = madeTrail()
  const report = verified(textOf(linesOf(trail)), trail.heads.at(-1))
  assert.deepEqual(report.findings, [])
  assert.ok(report.isWhole)
  assert.deepEqual(
    {
      rows: report.rows,
      chains: report.chains,
      heads: report.heads,
      unsigned: report.unsigned,
      erased: report.erased,
    },
    { rows: trail.rows.length, chains: 4, heads: trail.heads.length, unsigned: 0, erased: 2 },
  )
  for (const head of trail.heads) assert.ok(verified(textOf(linesOf(trail)), head).isWhole)
})

test(`${RUNS} mutations without the key are all found`, () => {
  const trail = madeTrail()
  const exported = trail.heads.at(-1)
  assert.ok(exported)
  const kinds = Object.keys(MUTATIONS)
  const found = new Map<string, number>()
  const hidden = new Map<string, number>()
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.integer(), (kind, seed) => {
      const mutation = MUTATIONS[kind]?.(trail, seededRandomness(seed))
      assert.ok(mutation)
      fc.pre(mutation.text !== undefined)
      const { text = '', needsHead = false } = mutation
      found.set(kind, (found.get(kind) ?? 0) + 1)
      // Without an exported head the newest heads can be cut off unseen, and nothing else. With one, more is looked at, not less.
      if (!verified(text).isWhole) return
      assert.ok(needsHead, `${kind}: not found without an exported head`)
      assert.equal(verified(text, exported).isWhole, false, `${kind}: not found`)
      hidden.set(kind, (hidden.get(kind) ?? 0) + 1)
    }),
    { numRuns: RUNS },
  )
  for (const kind of kinds)
    assert.ok((found.get(kind) ?? 0) > RUNS / kinds.length / 4, `${kind} is drawn often`)
  // Of this trail, cutting off is found also without: what is left was dropped or erased by what has gone, or nothing is left.
  assert.deepEqual([...hidden.keys()].sort(), [
    'a line is missing',
    'the newest heads are cut off, and what only they name is made anew',
  ])
})

test('a salt is its digits and nothing else', () => {
  const trail = madeTrail()
  const at = trail.rows.findIndex(({ personal }) => personal !== null)
  const { personal } = trail.rows[at] ?? {}
  assert.ok(personal)
  const salt = /[0-9a-f]{32}(?="}$)/
  const others = ['$&0', '$&x', '$&é', '$& ', '$&\\n', '$&00']
  for (const other of others) {
    const row = { ...trail.rows[at], personal: personal.replace(salt, other) } as AuditRecord
    assert.notEqual(row.personal, personal)
    const report = verified(textOf(linesOf({ ...trail, rows: trail.rows.with(at, row) })))
    assert.equal(report.findings.length, 1, other)
  }
})

test('a lone surrogate is not the character whose bytes it has', () => {
  const trail = madeTrail()
  const last = trail.rows.at(-1)
  assert.ok(last)
  const written = draftOf({ action: '\ufffd' }, 1).entry
  const forged = written.replace('\ufffd', '\ud800')
  assert.equal(entryHash(last.hash, forged), entryHash(last.hash, written))
  const lineWith = (entry: string): string => lineOf({ kind: 'row', row: { ...last, entry } })
  assert.ok(itemOf(lineWith(written)))
  assert.equal(itemOf(lineWith(forged)), undefined)
})

test('what no head names yet is not protected, and is counted', () => {
  const trail = madeTrail()
  const chain = new SessionChain()
  const session = { id: 9, incarnation: 'nine' }
  const rows = chain.seal(session, [draftOf({}, 1), draftOf({}, 2), draftOf({}, 3)])
  const report = verified(textOf(linesOf({ ...trail, rows: [...trail.rows, ...rows] })), trail.heads.at(-1))
  assert.deepEqual({ isWhole: report.isWhole, unsigned: report.unsigned }, { isWhole: true, unsigned: 4 })
  // Cut off, or made anew: nothing shows it, but the next head would.
  const made = new SessionChain().seal(session, [draftOf({}, 4)])
  for (const other of [rows.slice(0, 2), made]) {
    const text = textOf(linesOf({ ...trail, rows: [...trail.rows, ...other] }))
    assert.ok(verified(text, trail.heads.at(-1)).isWhole)
    const last = rows.at(-1)
    assert.ok(last)
    const next = headOf(trail.heads, [[9, last.seq, last.hash]])
    const heads = [...trail.heads, next]
    assert.ok(!verified(textOf(linesOf({ heads, rows: [...trail.rows, ...other] }))).isWhole)
  }
})

test('rows may be dropped, and heads may come, while a trail is read', () => {
  const trail = madeTrail()
  const middle = trail.rows.filter(({ session }) => session === 7)
  const place = middle[4]
  const next = middle[5]
  assert.ok(place && next)
  const late = headOf(trail.heads, [[7, 99, 'a'.repeat(64)]], { dropped: [[7, place.seq, place.hash]] })
  // Two rows were read before the rest of what was dropped had gone.
  const rows = trail.rows.filter((row) => row.session !== 7 || row.seq <= 2 || row.seq > place.seq)
  const lines = [...linesOf({ heads: trail.heads, rows }), lineOf({ kind: 'late-head', head: late })]
  assert.deepEqual(verified(textOf(lines)).findings, [])
  assert.ok(verified(textOf(lines), trail.heads.at(-1)).isWhole)
  // What it says of rows was not looked at: it does not show that they are there.
  assert.ok(!verified(textOf(lines), late).isWhole)
  const without = lines.slice(0, -1)
  assert.match(verified(textOf(without)).findings[0]?.detail ?? '', /rows 3 to \d+ of its chain are missing/)
})

test('a finding says where', () => {
  const trail = madeTrail()
  const rows = trail.rows.map((row, i) => (i === 5 ? { ...row, ...draftOf({}, 77) } : row))
  const [first] = verified(textOf(linesOf({ ...trail, rows }))).findings
  const { session, seq } = trail.rows[5] ?? {}
  assert.deepEqual({ session: first?.session, seq: first?.seq }, { session, seq })
})
