import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkedWebhook } from '../../src/server/webhooks/webhook.ts'
import {
  checkedWebhookSecret,
  isWebhookGenuine,
  newWebhookSecret,
  webhookHeaders,
} from '../../src/server/webhooks/webhook-signature.ts'

describe('the signature of a webhook', () => {
  const message = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    atMs: 1_614_265_330_000,
    body: '{"test": 2432232314}',
  }
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

  it('is that of the example in the specification', () => {
    assert.deepEqual(webhookHeaders(message, [secret]), {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  it('is known by whoever has the secret, for five minutes', () => {
    const headers = webhookHeaders(message, [newWebhookSecret(), secret])
    const is = (changes: object = {}, body = message.body, nowMs = message.atMs): boolean =>
      isWebhookGenuine({ ...headers, ...changes }, body, { secret, nowMs })
    assert.ok(is())
    assert.ok(is({}, message.body, message.atMs + 299_000))
    assert.ok(!is({}, message.body, message.atMs + 301_000))
    assert.ok(!is({}, message.body, message.atMs - 301_000))
    assert.ok(!is({}, `${message.body} `))
    assert.ok(!is({ 'webhook-id': 'msg_other' }))
    assert.ok(!is({ 'webhook-timestamp': '1614265331' }))
    assert.ok(!is({ 'webhook-timestamp': 'NaN' }))
    assert.ok(!is({ 'webhook-signature': headers['webhook-signature'].replaceAll('v1,', 'v2,') }))
    assert.ok(!isWebhookGenuine(headers, message.body, { secret: newWebhookSecret(), nowMs: message.atMs }))
  })

  it('needs a secret of 24 to 64 bytes', () => {
    for (const bad of [
      '',
      'whsec_',
      'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'whsec_AAAA',
      `whsec_${'A'.repeat(100)}`,
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w',
      7,
    ])
      assert.throws(() => checkedWebhookSecret(bad), /ARGUMENT_INVALID/, String(bad))
    assert.equal(checkedWebhookSecret(secret), secret)
  })
})

describe('the settings of a webhook', () => {
  const good = { url: 'https://example.com/hooks?a=1', secrets: [newWebhookSecret()] }
  it('are taken', () => {
    assert.deepEqual(
      checkedWebhook({ ...good, events: ['execution.failed'], workflows: ['pay'] }).workflows,
      ['pay'],
    )
  })
  const wrong: readonly (readonly [string, object, RegExp])[] = [
    ['a url that is none', { url: 'example' }, /url is/],
    ['a url of a file', { url: 'file:///etc/passwd' }, /not https/],
    ['a url with a password', { url: 'https://u:p@example.com/' }, /password/],
    ['a url with a fragment', { url: 'https://example.com/#x' }, /fragment/],
    ['no secret', { secrets: [] }, /no secret/],
    ['an unknown event', { events: ['execution.parked'] }, /no event/],
    ['an unknown field', { secret: 'x' }, /no field 'secret'/],
    ['a workflow without a name', { workflows: [''] }, /is empty/],
  ]
  for (const [what, change, message] of wrong)
    it(`with ${what} are refused`, () => {
      assert.throws(() => checkedWebhook({ ...good, ...change }), message)
    })
})
