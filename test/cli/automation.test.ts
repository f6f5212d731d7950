/** `perdure events` and `perdure webhooks`, at an engine with access. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fulfilOrder } from './order-workflows.ts'
import { openRest, type RestFixture } from './rest-fixture.ts'
import { until } from './store-fixture.ts'

let on: RestFixture
before(async () => {
  on = await openRest()
})
after(() => on[Symbol.asyncDispose]())

function write(name: string, value: unknown): void {
  writeFileSync(join(on.directory, name), JSON.stringify(value))
}

describe('perdure events', () => {
  const rule = {
    match: { type: 'shop.order.*' },
    start: {
      workflow: 'fulfil-order',
      version: '2',
      id: 'order-{/data/order}',
      input: { customer: 'ada', total: '{/data/order}' },
    },
  }

  test('a rule is put, and an event starts an execution, once', async () => {
    write('orders.json', rule)
    assert.equal(await on.said('events rules put orders orders.json'), 'rule orders: revision 1\n')
    assert.equal(await on.said('events rules put orders orders.json'), 'rule orders: revision 2\n')
    await on.refused('events rules put orders orders.json --if-revision 1', 1, /REVISION_CONFLICT/)
    await on.refused('events rules put none orders.json --if-revision 1', 1, /RECORD_NOT_FOUND/)
    assert.match(
      await on.said('events rules list'),
      /^orders +\{"type":"shop.order.\*"\} +starts fulfil-order/m,
    )
    const line = `events send --type shop.order.placed --source /shop --id a-1 --input '{"order":7}'`
    assert.match(await on.said(line), /^\/shop +a-1 +recorded$/m)
    assert.match(await on.said(line), /^\/shop +a-1 +known before$/m)
    await until(async () => (await on.engine.list({ workflow: 'fulfil-order' })).executions.length === 1)
    await on.engine.execution(fulfilOrder, 'order-7').result()
  })

  test('a list of a file; a rule that is paused does nothing; deleted', async () => {
    const event = (id: string): object => ({
      specversion: '1.0',
      id,
      source: '/shop',
      type: 'other',
      data: {},
    })
    write('events.json', [event('b-1'), event('b-2')])
    assert.deepEqual(
      (await on.json('events send events.json')).map(({ id, accepted }) => [id, accepted]),
      [
        ['b-1', true],
        ['b-2', true],
      ],
    )
    await on.said('events rules pause orders')
    assert.match(await on.said('events rules'), /paused/)
    await on.said('events rules resume orders')
    assert.equal((await on.json('events rules show orders'))[0]?.paused, false)
    // What is shown can be put again.
    const [shown] = await on.json('events rules show orders')
    write('shown.json', shown)
    assert.match(await on.said('events rules put orders shown.json'), /^rule orders: revision \d+\n$/)
    await on.said('events rules delete orders')
    await on.refused('events rules show orders', 1, /RECORD_NOT_FOUND/)
  })

  test('what is no event is refused', async () => {
    writeFileSync(join(on.directory, 'bad.json'), '{"specversion":')
    await on.refused('events send', 2, /no event is given/)
    await on.refused('events send --type x', 2, /--source is missing/)
    await on.refused('events send events.json --type x', 2, /by a file, and by options/)
    await on.refused('events send bad.json', 2, /bad\.json is no JSON/)
    await on.refused('events send none.json', 2, /none\.json cannot be read/)
    write('other.json', { id: 'other', ...rule })
    await on.refused('events rules put orders other.json', 2, /is of rule "other", not orders/)
  })
})

describe('perdure webhooks', () => {
  test('the secret goes to standard output alone; what was given up is listed, and sent again', async () => {
    let status = 410
    const server = createServer((request, answer) => {
      request.resume()
      answer.writeHead(status).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`
    const made = await on.run(
      `webhooks create billing ${target} --event execution.started,execution.completed`,
    )
    assert.match(made.stdout, /^whsec_\S+\n$/)
    assert.match(made.stderr, /^webhook billing is made/)
    await on.said('webhooks set billing --event execution.started --description invoices')
    assert.deepEqual((await on.json('webhooks show billing'))[0]?.events, ['execution.started'])
    await on.refused('webhooks set billing --event all --if-revision 1', 1, /REVISION_CONFLICT/)
    await on.refused('webhooks set billing', 2, /nothing is to be set/)
    await on.refused('webhooks set billing --event execution.failed,all', 2, /has all, and others beside it/)
    assert.match(await on.said('webhooks'), /^billing +http:\S+ +execution.started /m)
    await (await on.engine.start(fulfilOrder, { customer: 'ada', total: 1 }, { id: 'order-1' })).result()
    const failed = 'webhooks deliveries billing --failed'
    await until(async () => (await on.json(failed)).length === 1)
    const [delivery] = await on.json(failed)
    assert.match(await on.said(failed), /has answered 410 Gone/)
    const refusedTest = await on.run('webhooks test billing')
    assert.equal(refusedTest.code, 1)
    assert.match(
      refusedTest.stdout,
      /^webhook billing was not told: it was answered 410, and not 2xx \(\d+ ms/,
    )
    status = 204
    assert.match(
      await on.said('webhooks test billing'),
      /^webhook billing has answered 204 in \d+ ms \(event 0/,
    )
    const [tested] = await on.json('webhooks test billing')
    assert.partialDeepStrictEqual(tested, { delivered: true, status: 204 })
    await on.refused('webhooks test nothing', 1, /RECORD_NOT_FOUND/)
    await on.refused('webhooks redeliver', 2, /name a delivery, or a webhook with --of/)
    await on.said(`webhooks redeliver ${delivery?.id}`)
    await until(async () => (await on.json('webhooks deliveries'))[0]?.status === 'completed')
    assert.deepEqual(await on.json('webhooks redeliver --of billing'), [{ retried: 0 }])
    const [rotated] = await on.json('webhooks rotate billing')
    assert.notEqual(rotated?.secret, made.stdout.trim())
    await on.said('webhooks pause billing')
    assert.equal((await on.json('webhooks'))[0]?.paused, true)
    await on.said('webhooks resume billing')
    await on.said('webhooks delete billing')
    assert.deepEqual(await on.json('webhooks'), [])
    server.close()
  })
})
