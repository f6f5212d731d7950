import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import Type, { type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { faultsOf } from './schema-faults.ts'
import { action } from './schemas/human-tasks.ts'
import { registerFormats } from './schemas/values.ts'

const cron = Type.Object({ kind: Type.Literal('cron'), cron: Type.String() }, { additionalProperties: false })
const interval = Type.Object(
  { kind: Type.Literal('interval'), everyMs: Type.Integer({ minimum: 1000 }) },
  { additionalProperties: false },
)
const schema = Type.Object({
  times: Type.Optional(Type.Union([cron, interval])),
  limit: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()])),
  value: Type.Optional(Type.Union([Type.String(), Type.Number(), Type.Null()])),
})

registerFormats()

function said(value: unknown, by: TSchema = schema): readonly string[] {
  return faultsOf(Compile(by).Errors(value), 'body').map(({ pointer, detail }) => `${pointer} ${detail}`)
}

describe('what does not fit one of several alternatives', () => {
  test('is held against the one that it says to be', () => {
    assert.deepEqual(said({ times: { kind: 'interval', everyMs: 500 } }), ['/times/everyMs must be >= 1000'])
    assert.deepEqual(said({ times: { kind: 'cron' } }), ['/times/cron is missing'])
    assert.deepEqual(said({ times: { kind: 'cron', cron: '@daily', everyMs: 1 } }), [
      '/times/everyMs is not known here',
    ])
  })

  test('has to say which it is', () => {
    assert.deepEqual(said({ times: { kind: 'no', everyMs: 500 } }), [
      '/times/kind must be one of "cron", "interval"',
    ])
    assert.deepEqual(said({ times: {} }), ['/times is none of its alternatives'])
  })

  test('also of many, each with several values', () => {
    assert.deepEqual(said({ kind: 'comment', text: 7 }, action), ['/text must be string'])
    assert.deepEqual(said({ kind: 'delegate', returns: 'no' }, action), [
      '/to is missing',
      '/returns must be boolean',
    ])
    const [unknown = '', ...others] = said({ kind: 'burn', to: 'ann' }, action)
    assert.match(unknown, /^\/kind must be one of "claim", "release", .*, "withdraw"$/)
    assert.deepEqual(others, [])
  })

  test('is told what else it can be', () => {
    assert.deepEqual(said({ value: [] }), ['/value must be string or number or null'])
    assert.deepEqual(said({ limit: 0, value: {} }), [
      '/limit must be >= 1',
      '/value must be string or number or null',
    ])
  })
})
