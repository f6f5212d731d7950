/** An engine in a process of its own that changes one administrative object again and again, to be killed. Says what is done. */
import { silentLogger } from '../../src/index.ts'
import { openEngine } from '../../src/server/open-engine.ts'

const [, , store = ''] = process.argv
const counter = { kind: 'counter', namespace: '', id: 'one' }
const { engine } = await openEngine({ store, logger: silentLogger }, {})
let revision = engine.registry.get(counter.kind, counter.namespace, counter.id)?.revision ?? 0
process.send?.({ opened: revision })
// Without its parent it has no purpose.
while (process.connected) {
  const entry = await engine.registry.put(counter, { after: revision }, { ifRevision: revision })
  revision = entry?.revision ?? Number.NaN
  process.send?.({ done: revision })
}
process.exit(0)
