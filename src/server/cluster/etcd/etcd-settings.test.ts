import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PerdureError } from '../../../protocol/errors.ts'
import { type CoordinatorSettings, checkedCoordinator } from './etcd-settings.ts'

const PEM = '-----BEGIN CERTIFICATE-----\n'

describe('where etcd is', () => {
  test('members, with the port and the prefix that are usual', () => {
    const { endpoints, prefix, tls, user } = checkedCoordinator('etcd://10.0.0.1,db.internal:4001,[::1]:2379')
    assert.deepEqual(endpoints, ['http://10.0.0.1:2379', 'http://db.internal:4001', 'http://[::1]:2379'])
    assert.deepEqual([prefix, tls, user], ['perdure/', undefined, undefined])
  })

  test('a prefix of its own, TLS, user and password', () => {
    const { endpoints, prefix, ...more } = checkedCoordinator({
      url: 'etcds://h/teams/orders/',
      user: 'perdure',
      password: 'secret',
      tls: { ca: PEM },
    })
    assert.deepEqual([endpoints, prefix], [['https://h:2379'], 'teams/orders/'])
    assert.deepEqual(more, { user: 'perdure', password: 'secret', tls: { ca: PEM } })
    assert.deepEqual(checkedCoordinator('etcds://h').tls, {})
  })

  test('what makes no sense is refused with what to do', () => {
    const wrong: [unknown, RegExp][] = [
      ['http://h:2379', /'http:\/\/h:2379' is no URL like etcd:\/\//],
      ['etcd://', /is no URL like/],
      ['etcd://h:2379?x=1', /is no URL like/],
      ['etcd://h,,g', /names a member '', which is not HOST:PORT/],
      ['etcd://h:99999', /names a member 'h:99999'/],
      ['etcd://u:p@h', /has a user in its URL: name user and password beside it/],
      [`etcd://${Array(17).fill('h').join()}`, /names 17 members; 16 are possible/],
      [{}, /has no url/],
      [{ url: 'etcd://h', pass: 'x' }, /has no option 'pass'; there are url, user, password, tls/],
      [{ url: 'etcd://h', user: 'u' }, /needs user and password, or none/],
      [{ url: 'etcd://h', tls: { ca: PEM } }, /has tls, which needs a URL that begins with etcds:/],
      [{ url: 'etcds://h', tls: { ca: '/etc/ca.pem' } }, /tls\.ca that is no PEM text/],
      [{ url: 'etcds://h', tls: { cert: PEM } }, /needs cert and key, or none/],
      [7, /are not an object/],
    ]
    for (const [given, reason] of wrong)
      assert.throws(
        () => checkedCoordinator(given as string | CoordinatorSettings),
        (error: PerdureError) => error.code === 'ARGUMENT_INVALID' && reason.test(error.message),
        JSON.stringify(given),
      )
  })
})
