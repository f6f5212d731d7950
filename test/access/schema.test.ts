// The schema of policies, as people read it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ACTIONS } from '../../src/server/access/actions.ts'
import { cedarSchema } from '../../src/server/access/cedar-schema.ts'

test('the schema in docs is the one that policies are checked against', () => {
  const path = join(import.meta.dirname, '../../docs/perdure.cedarschema')
  assert.equal(readFileSync(path, 'utf8'), cedarSchema(), 'write it anew: node test/access/write-schema.ts')
  for (const action of Object.keys(ACTIONS))
    assert.match(cedarSchema(), new RegExp(`action ${action}( in|  *appliesTo)`))
})
