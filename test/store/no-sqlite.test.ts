// On a Node without node:sqlite the package can be imported, and says what it needs.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const index = join(import.meta.dirname, '..', '..', 'src', 'index.ts')
const program = `
const { createEngine } = await import(${JSON.stringify(index)})
await createEngine({ store: 'sqlite:x.db' }).catch((error) => console.log(error.message))
`

test('a Node without node:sqlite is told which one is needed', () => {
  const args = ['--no-experimental-sqlite', '--input-type=module', '-e', program]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.match(stdout, /has no node:sqlite: perdure needs Node 22\.13 or newer \(STORE_INVALID\)/, stderr)
})
