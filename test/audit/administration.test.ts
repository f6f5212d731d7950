/** What administration of access changes is recorded, and what it is refused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AuditResult } from '../../src/protocol/audit.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { AccessAdmin } from '../../src/server/access/access-admin.ts'
import { NamespaceAdmin } from '../../src/server/access/namespace-admin.ts'
import type { EngineAccess } from '../../src/server/access/open-closed-access.ts'
import { person } from '../access/access-fixtures.ts'
import { type AuditedEngine, auditedEngine, entryOf, personalOf } from './audited-engine.ts'

const ADMIN = person('ada', [], ['admin@*'])
const NOBODY = person('eve')
const POLICY =
  'permit (principal in Perdure::Role::"viewer", action == Perdure::Action::"ReadAudit", resource);'
const BINDING = { principal: 'group:staff', role: 'viewer', namespace: 'billing' } as const

interface Operation {
  readonly action: string
  /** Of the refusal, if that is another one. */
  readonly asked?: string
  readonly type: string
  readonly namespace: string
  /** Of the registry. */
  readonly kind: string
  /** What is there before. Answers with what is changed. */
  readonly prepare?: (access: EngineAccess) => Promise<string>
  readonly run: (access: EngineAccess, caller: Caller, id: string) => Promise<unknown>
}

const key = async ({ admin }: EngineAccess): Promise<string> =>
  (await admin.createKey(ADMIN, { name: 'k', namespace: 'billing', roles: ['viewer'] })).id

/** By the method of administration. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  createKey: {
    action: 'CreateApiKey',
    type: 'ApiKey',
    namespace: 'billing',
    kind: 'api-key',
    run: ({ admin }, caller) =>
      admin.createKey(caller, { name: 'k', namespace: 'billing', roles: ['viewer'] }),
  },
  rotateKey: {
    action: 'RotateApiKey',
    type: 'ApiKey',
    namespace: 'billing',
    kind: 'api-key',
    prepare: key,
    run: ({ admin }, caller, id) => admin.rotateKey(caller, id),
  },
  revokeKey: {
    action: 'RevokeApiKey',
    type: 'ApiKey',
    namespace: 'billing',
    kind: 'api-key',
    prepare: key,
    run: ({ admin }, caller, id) => admin.revokeKey(caller, id),
  },
  deleteKey: {
    action: 'DeleteApiKey',
    asked: 'RevokeApiKey',
    type: 'ApiKey',
    namespace: 'billing',
    kind: 'api-key',
    prepare: async (access) => {
      const id = await key(access)
      await access.admin.revokeKey(ADMIN, id)
      return id
    },
    run: ({ admin }, caller, id) => admin.deleteKey(caller, id),
  },
  bindRole: {
    action: 'BindRole',
    asked: 'ChangeRoleBinding',
    type: 'RoleBinding',
    namespace: 'billing',
    kind: 'role-binding',
    run: ({ admin }, caller) => admin.bindRole(caller, BINDING),
  },
  unbindRole: {
    action: 'UnbindRole',
    asked: 'ChangeRoleBinding',
    type: 'RoleBinding',
    namespace: 'billing',
    kind: 'role-binding',
    prepare: async ({ admin }) => {
      await admin.bindRole(ADMIN, BINDING)
      return 'viewer group:staff'
    },
    run: ({ admin }, caller) => admin.unbindRole(caller, BINDING),
  },
  putPolicy: {
    action: 'ChangePolicy',
    type: 'Policy',
    namespace: '',
    kind: 'policy',
    run: ({ admin }, caller) => admin.putPolicy(caller, 'own', POLICY),
  },
  deletePolicy: {
    action: 'DeletePolicy',
    asked: 'ChangePolicy',
    type: 'Policy',
    namespace: '',
    kind: 'policy',
    prepare: async ({ admin }) => (await admin.putPolicy(ADMIN, 'own', POLICY)).id,
    run: ({ admin }, caller) => admin.deletePolicy(caller, 'own'),
  },
  create: {
    action: 'CreateNamespace',
    type: 'Namespace',
    namespace: 'sales',
    kind: 'namespace',
    run: ({ namespaces }, caller) => namespaces.create(caller, 'sales'),
  },
  setQuotas: {
    action: 'ChangeNamespace',
    type: 'Namespace',
    namespace: 'billing',
    kind: 'namespace',
    run: ({ namespaces }, caller) => namespaces.setQuotas(caller, 'billing', { payloadBytes: 7000 }),
  },
  delete: {
    action: 'DeleteNamespace',
    type: 'Namespace',
    namespace: 'billing',
    kind: 'namespace',
    run: ({ namespaces }, caller) => namespaces.delete(caller, 'billing'),
  },
}
/** They change nothing. Written by hand: a new method is in one of the two. */
const READS = ['listKeys', 'getKey', 'listBindings', 'listPolicies', 'getPolicy', 'list', 'get']

interface Opened extends AsyncDisposable {
  readonly on: AuditedEngine
  readonly access: EngineAccess
}

async function opened(): Promise<Opened> {
  const on = await auditedEngine({ settings: { access: {} } })
  const { access } = on.opened
  assert.ok(access)
  await access.namespaces.create(ADMIN, 'billing')
  return { on, access, [Symbol.asyncDispose]: () => on[Symbol.asyncDispose]() }
}

/** Rows of what `run` does, each with its batch, when all are written. */
async function rowsOf({ batches, opened: { engine } }: AuditedEngine, run: () => Promise<unknown>) {
  const settle = async (): Promise<void> => {
    engine.audit?.flush()
    await engine.committer.whenIdle()
  }
  await settle()
  const before = batches.length
  await run()
  await settle()
  return batches.slice(before).flatMap((batch) => (batch.audit ?? []).map((row) => ({ row, batch })))
}

async function codeOf(result: Promise<unknown>): Promise<string | undefined> {
  try {
    await result
    return undefined
  } catch (error) {
    if (error instanceof PerdureError) return error.code
    throw error
  }
}

describe('administration of access', () => {
  test('has no method that is not known here', () => {
    const methods = [AccessAdmin, NamespaceAdmin].flatMap(({ prototype }) =>
      Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor'),
    )
    assert.deepEqual(methods.sort(), [...Object.keys(OPERATIONS), ...READS].sort())
  })

  for (const [method, { action, asked = action, type, namespace, kind, prepare, run }] of Object.entries(
    OPERATIONS,
  )) {
    test(`${method}: one row, in the commit of the change, with who, what and by which policy`, async () => {
      await using at = await opened()
      const { on, access } = at
      const id = (await prepare?.(access)) ?? ''
      const rows = await rowsOf(on, () => run(access, ADMIN, id))
      assert.equal(rows.length, 1)
      const [{ row, batch } = assert.fail()] = rows
      assert.deepEqual(
        batch.registry?.map((each) => each.kind),
        [kind],
      )
      const entry = entryOf(row)
      assert.deepEqual(
        [entry.action, entry.type, entry.namespace, entry.result],
        [action, type, namespace, 'changed'],
      )
      assert.deepEqual(entry.policies, ['role:admin'])
      const personal = personalOf(row)
      assert.deepEqual([personal?.caller, personal?.address], [ADMIN.id, ADMIN.address])
      assert.equal(personal?.resource, batch.registry?.[0]?.id)
    })

    test(`${method}: one row of whoever may not`, async () => {
      await using at = await opened()
      const { on, access } = at
      const id = (await prepare?.(access)) ?? ''
      let code: string | undefined
      const rows = await rowsOf(on, async () => {
        code = await codeOf(run(access, NOBODY, id))
      })
      assert.ok(code === 'FORBIDDEN' || code === 'NAMESPACE_NOT_FOUND' || code === 'RECORD_NOT_FOUND', code)
      assert.deepEqual(
        rows.map(({ row }) => [entryOf(row).action, entryOf(row).result, entryOf(row).namespace]),
        [[asked, 'denied', namespace]],
      )
      assert.equal(personalOf(rows[0]?.row ?? assert.fail())?.caller, NOBODY.id)
      assert.ok(rows.every(({ batch }) => batch.registry === undefined))
    })
  }

  test('what failed, and what was so already, has one row too', async () => {
    await using at = await opened()
    const { on, access } = at
    const { admin, namespaces } = access
    const id = await key(access)
    const cases: readonly [() => Promise<unknown>, string, AuditResult, string | undefined][] = [
      [() => admin.deleteKey(ADMIN, id), 'DeleteApiKey', 'failed', 'ARGUMENT_INVALID'],
      [() => admin.revokeKey(ADMIN, id), 'RevokeApiKey', 'changed', undefined],
      [() => admin.revokeKey(ADMIN, id), 'RevokeApiKey', 'unchanged', undefined],
      [() => admin.rotateKey(ADMIN, id), 'RotateApiKey', 'failed', 'ARGUMENT_INVALID'],
      [() => admin.unbindRole(ADMIN, BINDING), 'UnbindRole', 'unchanged', undefined],
      [() => admin.putPolicy(ADMIN, 'own', 'permit all'), 'ChangePolicy', 'failed', 'ARGUMENT_INVALID'],
      [
        () => admin.putPolicy(ADMIN, 'own', POLICY, { ifRevision: 7 }),
        'ChangePolicy',
        'failed',
        'REVISION_CONFLICT',
      ],
      [() => admin.deletePolicy(ADMIN, 'none'), 'DeletePolicy', 'failed', 'RECORD_NOT_FOUND'],
      [() => namespaces.create(ADMIN, 'billing'), 'CreateNamespace', 'failed', 'RECORD_EXISTS'],
      [() => namespaces.delete(ADMIN, 'nowhere'), 'DeleteNamespace', 'failed', 'NAMESPACE_NOT_FOUND'],
    ]
    for (const [run, action, result, code] of cases) {
      let told: string | undefined
      const rows = await rowsOf(on, async () => {
        told = await codeOf(run())
      })
      assert.equal(told, code)
      assert.deepEqual(
        rows.map(({ row }) => [entryOf(row).action, entryOf(row).result, entryOf(row).code]),
        [[action, result, code]],
      )
    }
  })

  test('a key that changes itself is recorded, without policies', async () => {
    await using at = await opened()
    const { on, access } = at
    const made = await access.admin.createKey(ADMIN, { name: 'k', namespace: 'billing', roles: ['viewer'] })
    const { id } = made
    const authorization = `Bearer ${made.key}`
    const own = await access.closed.authenticate({ authorization, address: '192.0.2.1' })
    assert.equal(own.id, `key:${id}`)
    for (const change of [() => access.admin.rotateKey(own, id), () => access.admin.revokeKey(own, id)]) {
      const rows = await rowsOf(on, change)
      assert.deepEqual(
        rows.map(({ row }) => [entryOf(row).policies, personalOf(row)?.caller]),
        [[undefined, own.id]],
      )
    }
  })

  test('whoever may not give a role is refused by that, and that is one row', async () => {
    await using at = await opened()
    const { on, access } = at
    await access.admin.putPolicy(
      ADMIN,
      'keys',
      'permit (principal, action in [Perdure::Action::"CreateApiKey", Perdure::Action::"ReadNamespace"], resource);',
    )
    const wanted = { name: 'k', namespace: 'billing', roles: ['admin@*'] }
    const rows = await rowsOf(on, () => codeOf(access.admin.createKey(NOBODY, wanted)))
    assert.deepEqual(
      rows.map(({ row }) => [entryOf(row).action, entryOf(row).result, personalOf(row)?.resource]),
      [['ChangeRoleBinding', 'denied', 'admin']],
    )
  })

  test('no row has a secret, its hash, or the text of a policy', async () => {
    await using at = await opened()
    const { on, access } = at
    const { admin } = access
    const made = await admin.createKey(ADMIN, { name: 'k', namespace: 'billing', roles: ['viewer'] })
    const rotated = await admin.rotateKey(ADMIN, made.id)
    await admin.putPolicy(ADMIN, 'own', POLICY)
    await codeOf(admin.rotateKey(NOBODY, made.id))
    on.opened.engine.audit?.flush()
    await on.opened.engine.committer.whenIdle()
    const { batches } = on
    const text = JSON.stringify(batches.flatMap(({ audit }) => audit ?? []))
    const hashes = batches
      .flatMap(({ registry }) => registry ?? [])
      .flatMap(({ body }) => [...(body ?? '').matchAll(/"hash":"([^"]+)"/g)].map(([, hash = '']) => hash))
    assert.ok(hashes.length >= 3)
    const secrets = [made.key, rotated.key].map((shown) => shown.slice(`pdk_${made.id}`.length + 1))
    for (const secret of [...secrets, ...hashes, 'ReadAudit']) {
      assert.ok(secret.length > 8)
      assert.ok(!text.includes(secret))
    }
    assert.ok(text.includes(made.id))
  })
})
