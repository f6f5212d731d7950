/** How long after a change of access at one node it counts at the other: two nodes over PostgreSQL, with TLS between them. */
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../../src/index.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import type { EngineAccess } from '../../src/server/access/open-closed-access.ts'
import * as resources from '../../src/server/access/resources.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import { PostgresServer } from '../../test/postgres/server.ts'
import { Authority } from '../../test/workers/certificates.ts'
import { markdownTable, type TableWorkload } from './table-workload.ts'

const WHATS = ['a key is revoked', 'a role is given', 'a role is taken', 'a policy forbids'] as const

interface AccessRow {
  readonly workload: 'access'
  readonly what: (typeof WHATS)[number]
  readonly times: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly mostMs: number
}

/** Half a second is how often nodes look; each look at whether it counts takes microseconds. */
const LOOK_MS = 2
const SETTLE_MOST_MS = 700
const ADMIN: Caller = { id: 'bench', kind: 'certificate', groups: [], roles: ['admin@*'] }
const NAMESPACE = resources.namespace('default')

interface Round {
  /** Everything that the change needs, known at both nodes. */
  readonly prepare: () => Promise<void>
  readonly change: () => Promise<unknown>
  readonly counts: () => Promise<boolean>
}

function roundOf(what: AccessRow['what'], here: EngineAccess, there: EngineAccess, number: number): Round {
  const user = `user-${number}`
  const caller: Caller = { id: `token:bench#${user}`, kind: 'token', user, groups: [], roles: [] }
  const binding = { principal: caller.id, role: 'viewer', namespace: 'default' } as const
  const may = (): boolean => there.closed.authorizer.decide(caller, 'ListExecutions', NAMESPACE).isAllowed
  if (what === 'a key is revoked') {
    let key = { id: '', key: '' }
    const getsIn = (): Promise<boolean> =>
      there.closed.authenticate({ authorization: `Bearer ${key.key}`, address: '192.0.2.1' }).then(
        () => true,
        () => false,
      )
    return {
      prepare: async () => {
        key = await here.admin.createKey(ADMIN, { name: user, roles: ['viewer@default'] })
        // A key that is not known yet would count as guessed.
        await sleep(2 * SETTLE_MOST_MS)
        if (!(await getsIn())) throw new Error('the key is not known at the other node')
      },
      change: () => here.admin.revokeKey(ADMIN, key.id),
      counts: async () => !(await getsIn()),
    }
  }
  const bound = async (): Promise<void> => {
    await here.admin.bindRole(ADMIN, binding)
    while (!may()) await sleep(LOOK_MS)
  }
  if (what === 'a role is given')
    return {
      prepare: async () => undefined,
      change: () => here.admin.bindRole(ADMIN, binding),
      counts: async () => may(),
    }
  const text = `forbid (principal == Perdure::User::"${caller.id}", action == Perdure::Action::"ListExecutions", resource);`
  return {
    prepare: bound,
    change: () =>
      what === 'a role is taken'
        ? here.admin.unbindRole(ADMIN, binding)
        : here.admin.putPolicy(ADMIN, `no-${number}`, text),
    counts: async () => !may(),
  }
}

async function measured({ prepare, change, counts }: Round): Promise<number> {
  await prepare()
  // At any moment between two looks of the other node.
  await sleep(Math.random() * SETTLE_MOST_MS)
  const beganMs = performance.now()
  await change()
  while (!(await counts())) await sleep(LOOK_MS)
  return performance.now() - beganMs
}

export const access: TableWorkload<AccessRow> = {
  name: 'access',
  about:
    'how long after it is asked for a change of keys, roles or policies at one node counts at the other one',
  rows: async function* ({ isQuick, executions, progress }) {
    const times = executions ?? (isQuick ? 3 : 50)
    await using server = await PostgresServer.start({})
    using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-bench-access-'))
    const authority = new Authority(folder.path, 'authority')
    const { url } = await server.createDatabase()
    const open = (name: string) =>
      openEngine(
        {
          store: url,
          cluster: { name, tls: authority.issue(name, 'serverAuth,clientAuth') },
          access: {},
          logger: silentLogger,
          shutdownGrace: 0,
        },
        {},
      )
    const nodes = [await open('one'), await open('two')] as const
    try {
      const [one, two] = nodes.map((node) => node.access)
      if (one === undefined || two === undefined) throw new Error('the nodes have no access')
      let number = 0
      for (const what of WHATS) {
        const tookMs: number[] = []
        for (let i = 0; i < times; i++) {
          number += 1
          // One of them has the objects: at that one a change counts as soon as it is made.
          const [here, there] = i % 2 === 0 ? [one, two] : [two, one]
          tookMs.push(await measured(roundOf(what, here, there, number)))
          progress(`access: ${what}, ${i + 1} of ${times}`)
        }
        tookMs.sort((a, b) => a - b)
        const at = (share: number): number =>
          Math.round(tookMs[Math.min(times - 1, Math.floor(share * times))] ?? 0)
        yield { workload: 'access', what, times, p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1) }
      }
    } finally {
      await Promise.all(nodes.map((node) => node.close()))
    }
  },
  tableOf: (rows) =>
    markdownTable(
      ['counts at the other node after', 'times', 'p50 ms', 'p99 ms', 'longest ms'],
      rows.map(({ what, times, p50Ms, p99Ms, mostMs }) => [
        what,
        `${times}`,
        `${p50Ms}`,
        `${p99Ms}`,
        `${mostMs}`,
      ]),
    ),
}
