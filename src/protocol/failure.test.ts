import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { PerdureError } from './errors.ts'
import { ApplicationError, errorOf, type Failure, failureOf, NonRetryableError } from './failure.ts'

const stored = (failure: Failure): Failure => JSON.parse(JSON.stringify(failure)) as Failure
const travelled = (thrown: unknown): Error & { code?: unknown } => errorOf(stored(failureOf(thrown)))

describe('errors of users', () => {
  test('keep name, message, stack, code and cause', () => {
    class PaymentError extends Error {
      override readonly name = 'PaymentError'
      readonly code = 'NO_FUNDS'
    }
    const thrown = new PaymentError('declined', { cause: new TypeError('inner', { cause: 'plain text' }) })
    const back = travelled(thrown)
    assert.ok(back instanceof ApplicationError)
    assert.deepEqual(
      [back.name, back.message, back.stack, back.code],
      ['PaymentError', 'declined', thrown.stack, 'NO_FUNDS'],
    )
    const cause = back.cause as Error
    assert.deepEqual([cause.name, cause.message], ['TypeError', 'inner'])
    assert.equal((cause.cause as Error).message, 'plain text')
  })

  test('need not be errors', () => {
    for (const [thrown, message] of [
      ['text', 'text'],
      [{ status: 404 }, '{"status":404}'],
      [undefined, 'undefined'],
      [null, 'null'],
      [5n, '[object BigInt]'],
      [Symbol('s'), 'Symbol(s)'],
    ] as const)
      assert.deepEqual([travelled(thrown).name, travelled(thrown).message], ['NonError', message])
  })

  test('may be odd: nothing that is thrown breaks the recording', () => {
    const hostile = Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('no message for you')
      },
    })
    const revoked = Proxy.revocable(new Error('x'), {})
    revoked.revoke()
    const odd = [
      hostile,
      revoked.proxy,
      Object.assign(new Error('x'), { name: 42 }),
      Object.assign(new Error('x'), { message: { a: 1 } }),
      Object.assign(new Error('x'), { stack: 7 }),
      Object.assign(new Error('x'), { code: {} }),
      Object.assign(new Error('x'), { name: undefined }),
      Object.create(Error.prototype),
    ]
    for (const thrown of odd) {
      const back = travelled(thrown)
      assert.equal(typeof back.name, 'string')
      assert.equal(typeof back.message, 'string')
    }
    fc.assert(fc.property(fc.anything(), (thrown) => void travelled(thrown)))
  })

  test('endless causes and texts are cut', () => {
    const circular = new Error('again')
    circular.cause = circular
    let depth = 0
    for (let error: unknown = travelled(circular); error instanceof Error; error = error.cause) depth += 1
    assert.ok(depth < 12, `${depth} causes`)
    assert.ok(travelled(new Error('x'.repeat(1_000_000))).message.length < 20_000)
  })

  test('NonRetryableError says so', () => {
    assert.equal(failureOf(new NonRetryableError('never')).nonRetryable, true)
    assert.equal(failureOf(new Error('again')).nonRetryable, undefined)
  })

  test('cannot pass for errors of the platform', () => {
    const forged = Object.assign(new Error('forged'), { name: 'PerdureError', code: 'CANCELLED' })
    assert.ok(!(travelled(forged) instanceof PerdureError))
  })
})

test('errors of the platform come back as such, with code, message and cause', () => {
  const thrown = new PerdureError('STEP_TIMEOUT', 'too slow', { cause: new RangeError('inner') })
  const back = travelled(thrown)
  assert.ok(back instanceof PerdureError)
  assert.deepEqual([back.code, back.message, back.retryable], ['STEP_TIMEOUT', thrown.message, true])
  assert.equal((back.cause as Error).name, 'RangeError')
  assert.equal(travelled(travelled(back)).message, thrown.message, 'the hint is not added again')
})

test('a long code is cut like any text', () => {
  const failure = failureOf(Object.assign(new Error('x'), { code: 'z'.repeat(1_000_000) }))
  assert.ok((failure.code?.length ?? 0) < 20_000)
})

test('a code of a newer release is still an error', () => {
  const back = errorOf({ kind: 'platform', name: 'PerdureError', message: 'm', code: 'NOT_INVENTED_YET' })
  assert.ok(back instanceof ApplicationError)
  assert.equal(back.code, 'NOT_INVENTED_YET')
})
