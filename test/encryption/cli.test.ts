/** `perdure show` and `history` of encrypted executions: what is encrypted, and what is in it for whoever has the key. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createEngine, openEncryption, silentLogger, workflow } from '../../src/index.ts'
import { perdure } from '../cli/store-fixture.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { rsaKeys } from './rsa-keys.ts'

const child = workflow({ name: 'child', run: async (_, given: string) => `${given} done` })
const failing = workflow({
  name: 'failing',
  run: async (ctx, given: { readonly customer: string }) => {
    await ctx.step('look', () => given.customer)
    await ctx.child(child, `for ${given.customer}`, { id: 'kid' })
    throw new Error(`no stock for ${given.customer}`)
  },
})

const file = temporaryFile('x.db')
const folder = dirname(file.path)
const pem = (name: string): string => join(folder, `${name}.pem`)
const stored = join(folder, 'keys.db')

before(async () => {
  for (const name of ['first', 'second']) writeFileSync(pem(name), rsaKeys(name).privateKey)
  for (const [id, dataKeys] of [
    ['carried', undefined],
    ['stored', `sqlite:${stored}`],
  ] as const) {
    await using encryption = await openEncryption({
      keys: { privateKeys: [pem('first')] },
      ...(dataKeys === undefined ? {} : { dataKeys }),
    })
    await using engine = await createEngine({
      ...{ store: `sqlite:${file.path}`, workflows: [failing, child], encryption, logger: silentLogger },
      namespace: id,
    })
    await assert.rejects((await engine.start(failing, { customer: 'Ada' }, { id })).result())
  }
})
after(() => file[Symbol.dispose]())

describe('perdure show and history', () => {
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await perdure([...args, '--store', file.path])
    assert.equal(code, 0, stderr)
    return stdout
  }
  const keys = (id: string): string[] => [
    '--decrypt',
    pem('first'),
    ...(id === 'stored' ? ['--data-keys', `sqlite:${stored}`] : []),
  ]

  for (const id of ['carried', 'stored']) {
    const of = [id, '--namespace', id]

    it(`say what is encrypted, and with which key; data keys: ${id}`, async () => {
      const show = await run('show', ...of)
      assert.match(show, /Input\n {2}<encrypted, key [0-9A-Z]{26}>/)
      assert.match(show, /Failure\n {2}Error: \(encrypted\)/)
      const history = await run('history', ...of)
      assert.match(history, /step-completed +#1 look +<encrypted, key 0[0-9A-Z]+…/)
      assert.doesNotMatch(show + history, /Ada/)
    })

    it(`show it to whoever has the key; data keys: ${id}`, async () => {
      const show = await run('show', ...of, ...keys(id))
      assert.match(show, /Input\n {2}\{ customer: 'Ada' \}/)
      assert.match(show, /Failure\n {2}Error: no stock for Ada\n {6}at /)
      const history = await run('history', ...of, ...keys(id))
      assert.match(history, /step-completed +#1 look +'Ada'/)
      const last = await run('history', ...of, ...keys(id), '--after', '3', '--json')
      assert.match(last, /"type":"child-completed","op":2,"result":\[1,"json",null,"for Ada done"\]/)
      assert.equal(JSON.parse(await run('show', ...of, ...keys(id), '--json')).input.customer, 'Ada')
    })
  }

  it('leave what another key has encrypted as it is', async () => {
    const of = ['carried', '--namespace', 'carried']
    assert.match(await run('show', ...of, '--decrypt', pem('second')), /Input\n {2}<encrypted, key/)
    const both = await run('show', ...of, '--decrypt', pem('second'), '--decrypt', pem('first'))
    assert.match(both, /Input\n {2}\{ customer: 'Ada' \}/)
  })

  it('say once for each key why something stays encrypted', async () => {
    const reasons = async (id: string, ...args: string[]): Promise<string[]> => {
      const shown = await perdure(['show', id, '--namespace', id, ...args, '--store', file.path])
      assert.equal(shown.code, 0, shown.stderr)
      assert.match(shown.stdout, /Input\n {2}<encrypted, key/)
      const all = await perdure(['history', id, '--namespace', id, ...args, '--store', file.path])
      const lines = all.stderr.split('\n').filter((line) => line !== '')
      assert.equal(new Set(lines).size, lines.length, 'each once')
      for (const line of shown.stderr.split('\n')) assert.ok(line === '' || lines.includes(line), line)
      assert.doesNotMatch(all.stderr, /Ada/)
      return lines
    }
    const other = await reasons('carried', '--decrypt', pem('second'))
    assert.match(other.join(), /not decrypted: .*rsa-\w+/)
    assert.equal(other.length, 1)
    const noStore = await reasons('stored', '--decrypt', pem('first'))
    for (const line of noStore)
      assert.match(line, /^not decrypted: data key \w+ is in a store of data keys, .*\(--data-keys\)$/)
    // The execution's, and its child's.
    assert.equal(noStore.length, 2)
    const elsewhere = `sqlite:${join(folder, 'other-keys.db')}`
    const wrongStore = await reasons('stored', '--decrypt', pem('first'), '--data-keys', elsewhere)
    for (const line of wrongStore) assert.match(line, /is not in the store of data keys .*\(--data-keys\)$/)
    await using encryption = await openEncryption({
      keys: { privateKeys: [pem('first')] },
      dataKeys: `sqlite:${stored}`,
    })
    assert.equal(await encryption.shred({ workflowId: 'stored', namespace: 'stored' }), 1)
    const shredded = await reasons('stored', ...keys('stored'))
    assert.equal(shredded.length, 1)
    assert.match(
      shredded.join(),
      /not decrypted: data key \w+ was destroyed at 20\d\d-\d\d-\d\dT.*gone for good$/,
    )
  })

  it('say what is wrong with the keys', async () => {
    const show = ['show', 'carried', '--namespace', 'carried', '--store', file.path]
    const missing = await perdure([...show, '--decrypt', 'none.pem'])
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /none\.pem, cannot be read as a key/)
    const alone = await perdure([...show, '--data-keys', 'sqlite:keys.db'])
    assert.equal(alone.code, 2)
    assert.match(alone.stderr, /--data-keys is given without --decrypt/)
  })
})
