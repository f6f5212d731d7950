/** `perdure audit`, on a file that an engine has written. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { silentLogger } from '../../src/index.ts'
import { signingKey } from '../../src/server/audit/signing-key.ts'
import { copyOf, damage, makeAudited, perdure, temporaryDirectory } from './store-fixture.ts'

const directory = temporaryDirectory()
let file = ''
const key = join(directory.path, 'audit-key.pem.pub')
before(async () => {
  file = await makeAudited(directory.path)
})
after(() => directory.remove())

const linesOf = (stdout: string): Record<string, unknown>[] =>
  stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))

async function saved(name: string, args: readonly string[]): Promise<string> {
  const { stdout, code } = await perdure(args)
  assert.equal(code, 0)
  const path = join(directory.path, name)
  writeFileSync(path, stdout)
  return path
}

describe('perdure audit', () => {
  test('list: who did what, and what came of it', async () => {
    const { stdout, code } = await perdure(['audit', 'list', '--json', '--store', file])
    assert.equal(code, 0)
    assert.deepEqual(
      linesOf(stdout).map(({ action, type, result, code, caller, resource }) =>
        [action, type, result, code, caller, resource].filter((each) => each !== undefined).join(' '),
      ),
      [
        'BeginChain Audit changed',
        'StartExecution Execution changed embedded order-7',
        'CancelExecution Execution changed embedded order-7',
        'PauseQueue Queue changed embedded mail',
        'TerminateExecution Execution failed EXECUTION_NOT_FOUND embedded order-8',
      ],
    )
    const one = await perdure(['audit', '--resource', 'mail', '--json', '--store', file])
    assert.equal(linesOf(one.stdout).length, 1)
    const none = await perdure(['audit', '--person', 'key:eve', '--store', file])
    assert.match(none.stderr, /Nothing was recorded/)
    const page = await perdure(['audit', '--limit', '2', '--store', file])
    assert.match(page.stderr, /go on with --after 1\/2/)
    const rest = await perdure(['audit', '--after', '1/2', '--json', '--store', file])
    assert.equal(linesOf(rest.stdout).length, 3)
    assert.equal((await perdure(['audit', '--after', '2', '--store', file])).code, 2)
    assert.equal((await perdure(['audit', 'burn', '--store', file])).code, 2)
    assert.equal(
      (await perdure(['audit', '--since', '1h', '--namespace', 'other', '--store', file])).stdout,
      '',
    )
  })

  test('verify: the store and an export are whole; what was changed is named', async () => {
    const head = await saved('head.json', ['audit', 'heads', '--limit', '1', '--json', '--store', file])
    const lines = await saved('audit.jsonl', ['audit', 'export', '--store', file])
    const sound = await perdure(['audit', 'verify', '--public-key', key, '--head', head, '--store', file])
    assert.equal(sound.code, 0, sound.stdout)
    assert.match(sound.stdout, /The trail is whole: 5 rows in 1 chain\./)
    const exported = await perdure(['audit', 'verify', lines, '--public-key', key, '--head', head, '--json'])
    assert.equal(exported.code, 0)
    assert.partialDeepStrictEqual(linesOf(exported.stdout)[0], { isWhole: true, rows: 5, signatures: true })
    const damages: [sql: string, says: RegExp][] = [
      [`update audit set entry = replace(entry, 'CancelExecution', 'SignalExecution')`, /row 1\/3: its hash/],
      [
        `update audit set personal = replace(personal, 'order-7', 'order-6')`,
        /row 1\/2: its personal part is not that/,
      ],
      [`update audit set personal = null where seq = 2`, /row 1\/2: its personal part is gone/],
      [`delete from audit where seq = 3`, /row 3 of its chain is missing before it/],
      [`delete from audit where seq = 5`, /head \d names it, and it is not there/],
      [`update audit set at = at + 1 where seq = 2`, /row 1\/2: its time or its namespace/],
      [
        `delete from audit; delete from audit_head`,
        /head \d: it was exported, and the trail ends with head 0/,
      ],
    ]
    for (const [i, [sql, says]] of damages.entries()) {
      const damaged = copyOf(file, `damaged-${i}`)
      damage(damaged, sql)
      const args = ['audit', 'verify', '--public-key', key, '--head', head, '--store', damaged]
      const found = await perdure(args, { columns: 160 })
      assert.equal(found.code, 1, sql)
      assert.match(found.stdout, says)
      assert.match(found.stdout, /The trail was changed: (1 finding|\d+ findings) in (1 row|\d+ rows)\./)
    }
    const emptied = copyOf(file, 'emptied')
    damage(emptied, 'delete from audit; delete from audit_head')
    const nothing = await perdure(['audit', 'verify', '--public-key', key, '--store', emptied], {
      columns: 160,
    })
    assert.equal(nothing.code, 1)
    assert.match(nothing.stdout, /^no head is signed: .* rows and heads were deleted$/m)
    assert.match(nothing.stdout, /^Nothing shows that the trail is whole: 0 rows in 0 chains\.$/m)
    assert.equal((await perdure(['audit', 'verify', '--unsigned', '--store', emptied])).code, 0)
    writeFileSync(lines, readFileSync(lines, 'utf8').slice(0, -20))
    const cut = await perdure(['audit', 'verify', lines, '--public-key', key], { columns: 160 })
    assert.equal(cut.code, 1)
    assert.match(cut.stdout, /it is not ended/)
  })

  test('verify: by a key that is trusted, or expressly without', async () => {
    const none = await perdure(['audit', 'verify', '--store', file])
    assert.equal(none.code, 2)
    assert.match(none.stderr, /--public-key is missing/)
    const unsigned = await perdure(['audit', 'verify', '--unsigned', '--store', file])
    assert.equal(unsigned.code, 0)
    assert.match(unsigned.stderr, /Signatures were not looked at/)
    const other = join(directory.path, 'other.pem')
    signingKey(other, silentLogger)
    const wrong = await perdure(['audit', 'verify', '--public-key', other, '--store', file], { columns: 160 })
    assert.equal(wrong.code, 1)
    assert.match(wrong.stdout, /not among those that are trusted/)
    const bad = await perdure(['audit', 'verify', '--public-key', file, '--store', file])
    assert.equal(bad.code, 1)
    const head = await perdure(['audit', 'verify', '--public-key', key, '--head', key, '--store', file])
    assert.equal(head.code, 2)
  })
})
