/** `perdure audit`, at an engine with access. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fulfilOrder } from './order-workflows.ts'
import { openRest, type RestFixture } from './rest-fixture.ts'

let on: RestFixture
before(async () => {
  on = await openRest()
  for (const id of ['order-1', 'order-2'])
    await (await on.engine.start(fulfilOrder, { customer: 'ada', total: 1 }, { id })).result()
})
after(() => on[Symbol.asyncDispose]())

const store = (): string => `--store sqlite:${join(on.directory, 'engine.db')}`

test('the list is that of the store, page by page', async () => {
  const listed = await on.json('audit')
  assert.deepEqual(
    listed.toSorted(bySeq),
    (await on.json(`audit ${store()}`)).map(withoutNone).toSorted(bySeq),
  )
  assert.match(await on.said('audit --resource order-1'), /embedded .* StartExecution +Execution order-1/)
  const first = await on.run('audit --limit 1 --json')
  const cursor = /--cursor (\S+)/.exec(first.stderr)?.[1]
  const rest = await on.json(`audit --limit 1000 --cursor ${cursor}`)
  assert.equal(rest.length, listed.length - 1)
  await on.refused('audit --after 1/1', 2, /--after is not for an engine Use --cursor/)
  await on.refused(`audit --cursor x ${store()}`, 2, /--cursor is not for a store Use --after/)
})

const bySeq = (a: Record<string, unknown>, b: Record<string, unknown>): number =>
  Number(a.seq) - Number(b.seq)

/** The API leaves out the namespace of what belongs to none, and which start of an engine began a chain. */
function withoutNone({
  namespace,
  incarnation: _,
  ...row
}: Record<string, unknown>): Record<string, unknown> {
  return namespace === '' ? row : { ...row, namespace }
}

test('heads, an export and the engine itself are verified', async () => {
  await on.engine.audit?.sign()
  writeFileSync(join(on.directory, 'head.json'), await on.said('audit heads --limit 1 --json'))
  writeFileSync(join(on.directory, 'audit.jsonl'), await on.said('audit export'))
  assert.match(await on.said('audit heads'), /^ *\d+ +\d{4}-/m)
  for (const source of ['audit.jsonl', '', store()])
    assert.match(
      await on.said(`audit verify ${source} --public-key audit-key.pem.pub --head head.json`),
      /^The trail is whole: /,
    )
  // Exit code 1 is for a trail that was changed.
  for (const [line, says] of [
    ['none.jsonl --public-key audit-key.pem.pub', /none\.jsonl cannot be read: ENOENT/],
    ['--public-key audit-key.pem.pub --head none.json', /none\.json cannot be read: ENOENT/],
  ] as const)
    await on.refused(`audit verify ${line}`, 2, says)
})

test('what an execution is named in is counted, and erased with --yes; who may not is told', async () => {
  await on.refused('audit erase', 2, /it is not said whom or what to erase/)
  assert.match(
    await on.said('audit erase --execution order-2', { env: { PERDURE_NAMESPACE: 'default' } }),
    /^1 rows would be erased .*, in all namespaces$/m,
  )
  assert.match(
    await on.said('audit erase --execution order-2 --namespace default'),
    /^1 rows would be erased .*, in namespace default$/m,
  )
  assert.match(await on.said('audit --resource order-2'), /order-2/)
  assert.deepEqual(await on.json('audit erase --execution order-2 --yes'), [{ rows: 1 }])
  assert.deepEqual(await on.json('audit --resource order-2'), [])
  assert.match(
    await on.said('audit verify --public-key audit-key.pem.pub'),
    /is whole[\s\S]*Of 1 row it was erased/,
  )
  const [viewer] = await on.json('access keys create looker --role viewer')
  const env = { PERDURE_TOKEN: String(viewer?.key) }
  await on.refused('audit export', 1, /no permission for ExportAudit/, { env })
})
