// Each example runs as a user runs it, and says what it is meant to say.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'

const root = dirname(dirname(import.meta.dirname))

function runExample(...args: string[]) {
  return spawnSync(process.execPath, [join(root, 'examples', 'run.ts'), ...args], { encoding: 'utf8' })
}

const said: Record<string, RegExp[]> = {
  'order-fulfilment': [/order 1: \{[^}]*shipped/, /order 2: \{[^}]*shipped/, /order 3: \{[^}]*expired/],
  'expense-approval': [
    /in the inbox of the deputy/,
    /a train ticket: approved/,
    /a yacht: refused, by the board/,
  ],
  'money-transfer': [/status: 'done'/, /status: 'compensated'/, /status: 'refused'/, /in all 150\n/],
  'production-planning': [
    /lathe-2 .*order 10|lathe-1 .*order 10/,
    /mill-1 .*order 9/,
    /before [1-8] orders that had come/,
  ],
  'text-batch': [
    /note-3\.txt of bo has 28 words[\s\S]*book-1\.txt of ada/,
    /SIGKILL of worker-1: book-1\.txt is done to [4-9]/,
    /book-1\.txt of ada has 2100 words\. .*worker-2 from paragraph [1-9]/,
  ],
}

describe('npm run example', () => {
  for (const [name, patterns] of Object.entries(said)) {
    test(name, () => {
      const { status, stdout, stderr } = runExample(name)
      assert.equal(status, 0, stderr)
      for (const pattern of patterns) assert.match(stdout, pattern)
    })
  }

  test('names the examples that there are', () => {
    const help = runExample('--help')
    assert.equal(help.status, 0)
    for (const name of Object.keys(said)) assert.ok(help.stdout.includes(name), name)
    const unknown = runExample('order-fulfillment')
    assert.equal(unknown.status, 2)
    assert.match(unknown.stderr, /There is no example "order-fulfillment"/)
  })
})
