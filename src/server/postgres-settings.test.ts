import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine, type EngineSettings } from '../index.ts'
import { checkedPostgresSettings } from './postgres-settings.ts'

const store = 'postgres://ann@db/orders'

test('what is given becomes options of the store; what is not has its default there', () => {
  assert.deepEqual(checkedPostgresSettings({ store: 'memory' }), {})
  assert.deepEqual(
    checkedPostgresSettings({
      store,
      readStore: 'postgres://ann@db2,db3/orders',
      postgres: { readConnections: 8, openTimeout: 0, commitTimeout: '2s' },
    }),
    { replica: 'postgres://ann@db2,db3/orders', readConnections: 8, openMs: 0, commitMs: 2000 },
  )
})

test('what cannot be is refused, in words that help', async () => {
  const refused: [settings: object, message: RegExp][] = [
    [{ store, postgres: { readConnections: 0 } }, /readConnections is 0, not a whole number from 1 to 100/],
    [{ store, postgres: { readConnections: 101 } }, /from 1 to 100/],
    [{ store, postgres: { pool: 3 } }, /has no option 'pool'; there are readConnections, /],
    [{ store, postgres: { commitTimeout: '5ms' } }, /commitTimeout is 5 ms; it can be 1000 to/],
    [{ store, postgres: { readTimeout: 'soon' } }, /readTimeout: "soon" is not a duration/],
    [{ store: 'memory', postgres: {} }, /is for a store on PostgreSQL/],
    [{ store: 'sqlite:x.db', readStore: store }, /readStore }\) is for a store on PostgreSQL/],
    [{ store, readStore: 'db2' }, /readStore is no URL/],
    [{ store, readStore: `${store}?target_session_attrs=primary` }, /target_session_attrs is 'standby'/],
  ]
  for (const [settings, message] of refused)
    await assert.rejects(createEngine(settings as EngineSettings), message)
})
