/** 100 MiB at every call that takes a payload: refused with its code before memory is taken for it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

const directory = mkdtempSync(join(tmpdir(), 'perdure-large-'))
after(() => rmSync(directory, { recursive: true }))

/** The engine's own needs while it works; a copy of the payload would be 100 MiB. */
const GROWTH_LIMIT_MIB = 48

describe('payloads of 100 MiB are refused without a copy of them', () => {
  for (const value of ['text', 'wide text', 'bytes', 'many bytes', 'numbers', 'a nested text']) {
    test(value, () => {
      const program = join(import.meta.dirname, 'large-payload-program.ts')
      const file = join(directory, `${value.replaceAll(' ', '-')}.db`)
      const { stdout, stderr } = spawnSync(process.execPath, [program, value, file], {
        encoding: 'utf8',
        timeout: 60_000,
      })
      assert.notEqual(stdout, '', stderr)
      const { answers, grownMib, result } = JSON.parse(stdout)
      for (const [call, answer] of Object.entries(answers))
        assert.match(String(answer), /PAYLOAD_TOO_LARGE/, call)
      assert.equal(Object.keys(answers).length, 10)
      assert.ok(grownMib < GROWTH_LIMIT_MIB, `memory grew by ${grownMib.toFixed(0)} MiB`)
      assert.equal(result, 'fine')
    })
  }
})
