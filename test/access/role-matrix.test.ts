// Every action and every call, by every role, in its own namespace, in another one, and in one that is not there.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CLIENT_METHODS } from '../../src/protocol/client-messages.ts'
import type { ClientPort } from '../../src/protocol/client-port.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { ACTIONS, type Action, resourceTypeOf } from '../../src/server/access/actions.ts'
import type { ResourceFacts } from '../../src/server/access/resource.ts'
import * as resources from '../../src/server/access/resources.ts'
import { ROLES } from '../../src/server/access/roles.ts'
import { WORKER_ACTIONS } from '../../src/server/access/worker-actions.ts'
import { type Answers, codeOf, type OpenedAccess, openAccess, person } from './access-fixtures.ts'
import { ACTION_MATRIX, CALL_MATRIX, MATRIX_ROLES } from './role-matrix.ts'

const OWN = 'billing'
const FOREIGN = 'shipping'
/** Nobody has made it. */
const MISSING = 'nowhere'
const USER = 'ann'

const NAMESPACED = new Set<string>([
  ...['Namespace', 'Workflow', 'Execution', 'Queue', 'Task', 'Schedule', 'HumanTask', 'Worker'],
])
/** Who administers a namespace does not make them, nor set its quotas. */
const OF_ENGINE: readonly Action[] = ['CreateNamespace', 'ChangeNamespace', 'DeleteNamespace']
const EITHER = new Set<string>(['ApiKey', 'RoleBinding', 'Audit', 'Webhook', 'EventRule'])

/** Something of the type, in the namespace, if it can be in one; of human tasks, one that the caller may take. */
function somethingOf(action: Action, namespace: string | undefined): ResourceFacts {
  const type = resourceTypeOf(action)
  if (type === 'Namespace') return resources.namespace(namespace ?? '')
  const of = namespace ?? ''
  if (type === 'Execution')
    return resources.execution({ namespace: of, workflowId: 'w' }, { workflow: 'pay' })
  if (type === 'HumanTask')
    return {
      ...resources.humanTask({ namespace: of, id: 'h' }),
      facts: { id: 'h', users: [USER], groups: [] },
    }
  if (type === 'Task') return resources.task({ namespace: of, id: 't' }, { name: 'mail', queue: 'q' })
  if (type === 'Queue') return resources.queue(of, 'q')
  if (type === 'Workflow') return resources.workflow(of, 'pay')
  if (type === 'Schedule') return resources.schedule({ namespace: of, id: 's' })
  if (type === 'Node') return resources.node('n')
  return resources.administrative(type, NAMESPACED.has(type) || EITHER.has(type) ? namespace : undefined, 'x')
}

async function prepared(answers: Answers = {}): Promise<OpenedAccess> {
  const opened = await openAccess({}, answers)
  for (const name of [OWN, FOREIGN]) await opened.createNamespace(name)
  return opened
}

test('the table of roles has all roles, and all actions', () => {
  assert.deepEqual([...MATRIX_ROLES].sort(), [...ROLES].sort())
  assert.deepEqual(Object.keys(ACTION_MATRIX).sort(), Object.keys(ACTIONS).sort())
  assert.deepEqual(Object.keys(CALL_MATRIX).sort(), Object.keys(CLIENT_METHODS).sort())
})

describe('actions', () => {
  for (const role of MATRIX_ROLES) {
    test(`a role in one namespace: ${role}`, async () => {
      await using opened = await prepared()
      const caller = person(USER, [], [`${role}@${OWN}`])
      for (const action of Object.keys(ACTION_MATRIX) as Action[]) {
        const type = resourceTypeOf(action)
        const may = (namespace: string | undefined): boolean =>
          opened.access.authorizer.decide(caller, action, somethingOf(action, namespace)).isAllowed
        const expected = ACTION_MATRIX[action].includes(role)
        if (NAMESPACED.has(type) || EITHER.has(type)) {
          assert.equal(
            may(OWN),
            expected && !OF_ENGINE.includes(action),
            `${role} ${action} in its own namespace`,
          )
          assert.equal(may(FOREIGN), false, `${role} ${action} in another namespace`)
          assert.equal(may(MISSING), false, `${role} ${action} in a namespace that is not there`)
        }
        // What belongs to no namespace.
        if (!NAMESPACED.has(type)) assert.equal(may(undefined), false, `${role} ${action} of the engine`)
      }
    })

    test(`a role everywhere: ${role}`, async () => {
      await using opened = await prepared()
      const caller = person(USER)
      await opened.bind(caller.id, role)
      for (const action of Object.keys(ACTION_MATRIX) as Action[]) {
        const expected = ACTION_MATRIX[action].includes(role)
        for (const namespace of [OWN, FOREIGN, undefined]) {
          if (namespace === undefined && NAMESPACED.has(resourceTypeOf(action))) continue
          const { isAllowed } = opened.access.authorizer.decide(
            caller,
            action,
            somethingOf(action, namespace),
          )
          assert.equal(isAllowed, expected, `${role} ${action} in ${namespace}`)
        }
      }
    })
  }

  test('no role, nothing', async () => {
    await using opened = await prepared()
    for (const action of Object.keys(ACTIONS) as Action[])
      for (const namespace of [OWN, 'default'])
        assert.equal(
          opened.access.authorizer.decide(person(USER, ['staff']), action, somethingOf(action, namespace))
            .isAllowed,
          false,
          action,
        )
  })
})

const key = (namespace: string) => ({ namespace, workflowId: 'w' })
const start = { workflow: 'pay', version: '1', input: [1, 'json', null, 1], idPrefix: 'w' }

/** Arguments of each call. */
function argsOf(method: string, namespace: string): readonly unknown[] {
  const [group, name = ''] = method.split('.')
  const target = { namespace, id: 'x' }
  if (method === 'start') return [{ ...start, key: key(namespace), onConflict: 'fail' }]
  if (method === 'list') return [{ namespace }]
  if (!method.includes('.')) return [{ key: key(namespace) }, 'name', [1, 'json', null, 1], 'request']
  if (method === 'tasks.enqueue')
    return [[{ namespace, name: 'mail', queue: 'q', input: [1, 'json', null, 1] }]]
  if (method === 'tasks.explainQueue') return [{ namespace, queue: 'q' }]
  if (group === 'queues') return name === 'list' ? [namespace] : [{ namespace, queue: 'q' }, {}, {}]
  if (method === 'workers.list') return [namespace]
  if (group === 'nodes') return ['node-1']
  if (method === 'people.act') return [target, { user: USER, groups: [] }, { kind: 'claim' }, 'request']
  if (method === 'schedules.create') return [target, { start }, { onConflict: 'fail' }]
  if (method === 'schedules.update') return [target, { start: { workflow: 'pay' } }]
  if (['list', 'retryMany', 'inbox'].includes(name)) return [{ namespace }]
  return [target, 'reason']
}

const seat = { seat: 1, users: [USER], groups: [], isInTurn: true }
const humanTask = { id: 'x', workflowId: 'w', workflow: 'pay', name: 'approve', seats: [seat] }
const ANSWERS: Answers = {
  describe: () => ({ workflow: 'pay', attributes: {} }),
  list: () => ({ executions: [] }),
  'tasks.describe': () => ({ name: 'mail', queue: 'q' }),
  'tasks.list': () => ({ tasks: [] }),
  'schedules.describe': () => ({ id: 'x', spec: { start } }),
  'schedules.list': () => ({ schedules: [] }),
  'people.describe': () => humanTask,
  'people.inbox': () => ({ tasks: [] }),
  'queues.list': () => [],
}

/** Whether the engine was asked for it, beside one look at what policies need to know. */
function done(calls: readonly string[], method: string): boolean {
  const [looked, ...rest] = calls
  const asked = looked?.endsWith('describe') === true && rest.length > 0 ? rest : calls
  assert.deepEqual(
    asked.filter((each) => each !== method && !each.endsWith('describe')),
    [],
    `beside ${method}`,
  )
  // One that is only a look was not for the caller.
  return asked.at(-1) === method && !(LOOKED_AT.has(method) && calls.length < 2)
}

/** The built-in policies look at human tasks. */
const LOOKED_AT = new Set(['people.describe'])

function call(port: ClientPort, method: string, args: readonly unknown[]): Promise<unknown> {
  const [first = '', second] = method.split('.')
  const on: unknown = second === undefined ? port : Reflect.get(port, first)
  return Reflect.apply(Reflect.get(on as object, second ?? first), on, args) as Promise<unknown>
}

describe('calls', () => {
  for (const role of MATRIX_ROLES) {
    test(role, async () => {
      await using opened = await prepared(ANSWERS)
      const portIn = (where: string): ClientPort =>
        opened.access.portOf(person(USER, [], [`${role}@${where}`]))
      for (const [method, row] of Object.entries(CALL_MATRIX)) {
        const isNowhere = row.unseen === 'FORBIDDEN'
        const port = portIn(isNowhere ? '*' : OWN)
        const expected = row.roles.includes(role)
        const refused = row.blind?.includes(role) === true ? row.unseen : 'FORBIDDEN'
        opened.calls.length = 0
        const code = await codeOf(call(port, method, argsOf(method, OWN)))
        assert.equal(code, expected ? 'done' : refused, `${method} in its own namespace`)
        assert.equal(done(opened.calls, method), expected, `whether the engine was asked for ${method}`)
        if (isNowhere) continue
        for (const namespace of [FOREIGN, MISSING]) {
          opened.calls.length = 0
          assert.equal(await codeOf(call(port, method, argsOf(method, namespace))), row.unseen, method)
          assert.equal(
            done(opened.calls, method),
            false,
            `the engine was asked for ${method} in ${namespace}`,
          )
        }
      }
    })
  }

  test('what is foreign and what is missing is answered with the same words', async () => {
    await using opened = await prepared(ANSWERS)
    const port = opened.access.portOf(person(USER, [], [`viewer@${OWN}`]))
    const words = async (method: string, namespace: string): Promise<string> => {
      const error: unknown = await call(port, method, argsOf(method, namespace)).catch(
        (thrown: unknown) => thrown,
      )
      assert.ok(error instanceof PerdureError)
      return error.message.replaceAll(namespace, 'NAMESPACE')
    }
    for (const [method, { unseen }] of Object.entries(CALL_MATRIX)) {
      if (unseen === 'FORBIDDEN') continue
      assert.equal(await words(method, FOREIGN), await words(method, MISSING), method)
    }
  })

  test('who may do everything everywhere still finds no namespace that nobody has made', async () => {
    await using opened = await prepared(ANSWERS)
    const port = opened.access.portOf(person(USER, [], ['admin@*']))
    for (const [method, { unseen }] of Object.entries(CALL_MATRIX))
      if (unseen !== 'FORBIDDEN')
        assert.equal(await codeOf(call(port, method, argsOf(method, MISSING))), unseen, method)
  })
})

describe('workers', () => {
  const hello = { type: 'hello', namespace: OWN, tasks: ['mail'], credits: 1 } as const
  for (const role of MATRIX_ROLES) {
    test(role, async () => {
      await using opened = await prepared()
      const caller = person(USER, [], [`${role}@${OWN}`])
      const expected = ['admin', 'worker'].includes(role) ? 'done' : 'FORBIDDEN'
      for (const queues of [undefined, ['q', 'r']]) {
        const of = queues === undefined ? {} : { queues }
        const workflows = [{ name: 'pay', version: '1' }]
        assert.equal(
          await codeOf(opened.access.assertWorker(caller, { ...hello, ...of, workflows })),
          expected,
        )
        for (const namespace of [FOREIGN, MISSING])
          assert.equal(
            await codeOf(opened.access.assertWorker(caller, { ...hello, ...of, namespace })),
            'NAMESPACE_NOT_FOUND',
          )
      }
    })
  }

  test('only the first message asks for something; the others are about what the connection holds', () => {
    const asking = Object.entries(WORKER_ACTIONS).filter(([, actions]) => actions !== 'held')
    assert.deepEqual(
      asking.map(([type]) => type),
      ['hello'],
    )
  })
})
