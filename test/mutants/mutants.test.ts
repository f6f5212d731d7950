/** Planted bugs are caught: a simulation that finds nothing must be one that would have found something. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { applyPatch, parsePatch } from './apply-patch.ts'
import { huntAll, seedsOnPage } from './hunting.ts'
import { mutants } from './mutants.ts'

const root = dirname(dirname(import.meta.dirname))

describe('planted bugs', () => {
  test('a patch that no longer applies fails, and so does one that fits in two places', () => {
    const [patch] = parsePatch('--- a/x.ts\n+++ b/x.ts\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n')
    assert.ok(patch !== undefined)
    assert.equal(applyPatch('zero\none\ntwo\n', patch), 'zero\none\nthree\n')
    assert.throws(() => applyPatch('zero\ntwo\n', patch), /no longer applies/)
    assert.throws(() => applyPatch('one\ntwo\none\ntwo\n', patch), /ambiguous/)
  })

  test('every patch belongs to a planted bug, and docs/mutants.md shows each', () => {
    const patches = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.patch'))
    const planted = new Set(mutants.map(({ name, patch = name }) => `${patch}.patch`))
    assert.deepEqual(patches.toSorted(), [...planted].toSorted())
    const page = readFileSync(join(root, 'docs', 'mutants.md'), 'utf8')
    for (const { name } of mutants)
      assert.ok(page.includes(`| ${name} |`), `${name} is not in docs/mutants.md`)
  })

  // The others: `mutants-by-suites.test.ts`.
  test('each that simulation finds is caught', async () => {
    const page = readFileSync(join(root, 'docs', 'mutants.md'), 'utf8')
    // From the seed that is known to catch it; `run.ts` finds that anew.
    const simulated = mutants
      .filter(({ suite }) => suite === undefined)
      .map((mutant) => ({ ...mutant, firstSeed: seedsOnPage(page, mutant.name) ?? 1 }))
    const caught = await huntAll(undefined, simulated)
    const missed = caught.filter(({ violation }) => violation === null).map(({ name }) => name)
    assert.deepEqual(missed, [])
  })
})
