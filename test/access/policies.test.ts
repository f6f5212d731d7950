// Policies of one's own: what they decide, where they come from, and that decisions that are kept are the ones that would be made.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Caller } from '../../src/protocol/caller.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { explainAccess } from '../../src/server/access/access-explanation.ts'
import { type Action, resourceTypeOf } from '../../src/server/access/actions.ts'
import { loadCedar, PolicySet } from '../../src/server/access/policy-set.ts'
import * as resources from '../../src/server/access/resources.ts'
import { type Answers, codeOf, type OpenedAccess, openAccess, person } from './access-fixtures.ts'

const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }

async function withPolicy(text: string, answers: Answers = {}): Promise<OpenedAccess> {
  const opened = await openAccess({}, answers)
  await opened.admin.putPolicy(rules, 'own', text)
  return opened
}

const target = (workflowId: string) => ({ key: { namespace: 'default', workflowId } })
const ann = person('ann', ['staff'], ['developer'])

describe('a policy looks at', () => {
  test('the workflow of an execution, which is read only then', async () => {
    const answers: Answers = {
      describe: (given) => {
        const { key } = given as { readonly key: { readonly workflowId: string } }
        if (key.workflowId === 'none') throw new PerdureError('EXECUTION_NOT_FOUND', 'gone')
        return { workflow: key.workflowId.startsWith('pay') ? 'payroll' : 'order', attributes: {} }
      },
    }
    await using plain = await openAccess({}, answers)
    await plain.access.portOf(ann).cancel(target('e'), 'why')
    assert.deepEqual(plain.calls, ['cancel'])
    await using opened = await withPolicy(
      `forbid (principal, action, resource is Perdure::Execution)
       when { resource has workflow && resource.workflow == "payroll" };`,
      answers,
    )
    const port = opened.access.portOf(ann)
    assert.equal(await codeOf(port.cancel(target('e'), 'why')), 'done')
    assert.deepEqual(opened.calls, ['describe', 'cancel'])
    // Whoever may not read it is not told that it is there.
    assert.equal(await codeOf(port.cancel(target('pay-1'), 'why')), 'EXECUTION_NOT_FOUND')
    assert.equal(await codeOf(port.cancel(target('none'), 'why')), 'EXECUTION_NOT_FOUND')
  })

  test('search attributes and the owner; who may read is told what it may not do', async () => {
    const row = (tier: string, owner: string) => ({
      key: { namespace: 'default', workflowId: tier },
      workflow: 'order',
      attributes: { tier, 'perdure:owner': owner },
    })
    const answers: Answers = {
      describe: (given) =>
        row((given as { readonly key: { readonly workflowId: string } }).key.workflowId, ann.id),
      list: () => ({ executions: [row('gold', ann.id), row('secret', ann.id), row('gold', 'key:other')] }),
    }
    await using opened = await withPolicy(
      `forbid (principal, action == Perdure::Action::"TerminateExecution", resource)
       when { resource.hasTag("tier") && resource.getTag("tier") == "gold" };
       forbid (principal, action == Perdure::Action::"ReadExecution", resource)
       when { resource.hasTag("tier") && resource.getTag("tier") == "secret" };
       forbid (principal, action == Perdure::Action::"ReadExecution", resource)
       unless { resource has owner && resource.owner == "${ann.id}" };`,
      answers,
    )
    const port = opened.access.portOf(ann)
    assert.equal(await codeOf(port.terminate(target('gold'), 'why')), 'FORBIDDEN')
    assert.equal(await codeOf(port.terminate(target('lead'), 'why')), 'done')
    assert.equal(await codeOf(port.describe(target('secret'))), 'EXECUTION_NOT_FOUND')
    const { executions } = await port.list({ namespace: 'default' })
    assert.deepEqual(
      executions.map(({ attributes }) => attributes.tier),
      ['gold'],
    )
  })

  test('the address, the time, groups, and one principal', async () => {
    await using opened = await withPolicy(
      `@id("office") forbid (principal, action, resource)
         unless { context has address && context.address.isInRange(ip("192.0.2.0/24")) };
       @id("night") permit (principal in Perdure::Group::"night", action == Perdure::Action::"DrainNode", resource)
         when { context.time.toTime() < duration("6h") };
       @id("bea") permit (principal == Perdure::User::"token:https://issuer.test#bea", action in [Perdure::Action::"Read"], resource)
         when { resource is Perdure::Execution };`,
    )
    const { authorizer } = opened.access
    const decide = (caller: Caller, action: Action): boolean =>
      authorizer.decide(
        caller,
        action,
        action === 'DrainNode' ? resources.node('n') : resources.execution(target('e').key),
      ).isAllowed
    assert.equal(decide(ann, 'ReadExecution'), true)
    assert.equal(decide({ ...ann, address: '198.51.100.1' }, 'ReadExecution'), false)
    const { address: _, ...nowhere } = ann
    assert.equal(decide(nowhere, 'ReadExecution'), false)
    assert.equal(decide(person('bea'), 'ReadExecution'), true)
    assert.equal(decide(person('bea'), 'SignalExecution'), false)
    const night = person('eve', ['night'])
    const answers: boolean[] = []
    // The time is never kept: through a day of six-hour steps it is right each time.
    for (let i = 0; i < 8; i++) {
      const hour = new Date(opened.clock.nowMs()).getUTCHours()
      answers.push(decide(night, 'DrainNode') === hour < 6)
      opened.clock.advance(3 * 3_600_000)
    }
    assert.deepEqual(answers, Array(8).fill(true))
  })

  test('queues, tasks and workflows that a worker wants', async () => {
    await using opened = await withPolicy(
      `forbid (principal, action == Perdure::Action::"ServeQueue", resource) when { resource.name like "pci-*" };
       forbid (principal, action == Perdure::Action::"RunTask", resource) when { resource has name && resource.name == "charge" };
       forbid (principal, action == Perdure::Action::"RunWorkflow", resource == Perdure::Workflow::"default/payroll");`,
    )
    const caller = person('w', [], ['worker'])
    const code = (more: object): Promise<string> =>
      codeOf(
        opened.access.assertWorker(caller, {
          type: 'hello',
          namespace: 'default',
          tasks: ['mail'],
          credits: 1,
          ...more,
        }),
      )
    assert.equal(await code({ queues: ['mail'] }), 'done')
    assert.equal(await code({ queues: ['mail', 'pci-1'] }), 'FORBIDDEN')
    assert.equal(await code({ tasks: ['mail', 'charge'] }), 'FORBIDDEN')
    assert.equal(await code({ workflows: [{ name: 'payroll', version: '1' }] }), 'FORBIDDEN')
  })

  test('what is asked for beside the call itself', async () => {
    const answers: Answers = {
      describe: () => ({ workflow: 'payroll', attributes: {} }),
    }
    await using opened = await withPolicy(
      `forbid (principal, action in [Perdure::Action::"TerminateExecution", Perdure::Action::"SignalExecution"], resource)
       when { resource has workflow && resource.workflow == "payroll" };
       forbid (principal, action == Perdure::Action::"StartExecution", resource)
       when { resource has workflow && resource.workflow == "payroll" };`,
      answers,
    )
    const port = opened.access.portOf(ann)
    const input = [1, 'json', null, 1] as never
    const start = { ...target('e'), workflow: 'order', version: '1', input }
    assert.equal(await codeOf(port.start({ ...start, onConflict: 'fail' })), 'done')
    // The one that has the id is of a workflow that may not be ended, or told.
    assert.equal(await codeOf(port.start({ ...start, onConflict: 'terminate-existing' })), 'FORBIDDEN')
    const signal = { name: 's', payload: input }
    assert.equal(await codeOf(port.start({ ...start, onConflict: 'use-existing', signal })), 'FORBIDDEN')
    const schedule = { namespace: 'default', id: 's' }
    const spec = { start: { workflow: 'payroll', version: '1', input, idPrefix: 's' } } as never
    assert.equal(await codeOf(port.schedules.create(schedule, spec, { onConflict: 'fail' })), 'FORBIDDEN')
  })
})

describe('people', () => {
  const seat = { seat: 1, users: ['ann'], groups: ['bosses'], isInTurn: true }
  const answers: Answers = {
    'people.describe': (given) => ({
      id: (given as { readonly id: string }).id,
      workflowId: 'w',
      workflow: 'order',
      name: 'approve',
      requester: 'rob',
      seats: [seat],
    }),
    'people.inbox': () => ({
      tasks: [
        { id: '1', seats: [seat] },
        { id: '2', seats: [{ ...seat, users: ['eve'], groups: [] }] },
      ],
    }),
  }
  const task = { namespace: 'default', id: 'h' }
  const claim = { kind: 'claim' } as const

  test('a participant acts as itself alone, on what is its own', async () => {
    await using opened = await openAccess({}, answers)
    const port = opened.access.portOf(person('ann', ['staff'], ['participant']))
    const act = (user: string, groups: readonly string[], more = {}): Promise<string> =>
      codeOf(port.people.act(task, { user, groups, ...more }, claim, 'r'))
    assert.equal(await act('ann', []), 'done')
    assert.equal(await act('ann', ['staff']), 'done')
    assert.equal(await act('ann', ['bosses']), 'FORBIDDEN')
    assert.equal(await act('eve', []), 'FORBIDDEN')
    assert.equal(await act('ann', [], { isAdmin: true }), 'FORBIDDEN')
    const eve = opened.access.portOf(person('eve', [], ['participant']))
    assert.equal(
      await codeOf(eve.people.act(task, { user: 'eve', groups: [] }, claim, 'r')),
      'HUMAN_TASK_NOT_FOUND',
    )
    assert.equal(await codeOf(eve.people.describe(task)), 'HUMAN_TASK_NOT_FOUND')
    const boss = opened.access.portOf(person('bob', ['bosses'], ['participant']))
    assert.equal(await codeOf(boss.people.act(task, { user: 'bob', groups: ['bosses'] }, claim, 'r')), 'done')
    const requester = opened.access.portOf(person('rob', [], ['participant']))
    assert.equal(await codeOf(requester.people.describe(task)), 'done')
    // A program without a user is nobody.
    const program: Caller = { id: 'key:k', kind: 'api-key', groups: [], roles: ['participant'] }
    assert.equal(await codeOf(opened.access.portOf(program).people.describe(task)), 'HUMAN_TASK_NOT_FOUND')
  })

  test('a participant sees its own inbox', async () => {
    await using opened = await openAccess({}, answers)
    const port = opened.access.portOf(person('ann', ['staff'], ['participant']))
    const inbox = (query: object): Promise<string> =>
      codeOf(port.people.inbox({ namespace: 'default', ...query }))
    assert.equal(await inbox({ person: { user: 'ann', groups: ['staff'] } }), 'done')
    assert.equal(await inbox({ requester: 'ann' }), 'done')
    assert.equal(await inbox({}), 'FORBIDDEN')
    assert.equal(await inbox({ person: { user: 'eve', groups: [] } }), 'FORBIDDEN')
    assert.equal(await inbox({ person: { user: 'ann', groups: ['bosses'] } }), 'FORBIDDEN')
    assert.equal(await inbox({ requester: 'eve' }), 'FORBIDDEN')
    assert.equal(await inbox({ person: { user: 'ann', groups: [] }, requester: 'eve' }), 'FORBIDDEN')
    assert.equal(await inbox({ workflowId: 'w' }), 'FORBIDDEN')
    const { tasks } = await port.people.inbox({ namespace: 'default', person: { user: 'ann', groups: [] } })
    assert.deepEqual(
      tasks.map(({ id }) => id),
      ['1'],
    )
  })
})

describe('policies that are not good', () => {
  test('are refused by the API, with what is wrong', async () => {
    await using opened = await openAccess()
    const put = (text: string): Promise<unknown> => opened.admin.putPolicy(rules, 'own', text)
    await assert.rejects(put('permit (principal, action resource);'), /ARGUMENT_INVALID/)
    await assert.rejects(put('permit (principal, action, resource) when { resource.nmae == "x" };'), /nmae/)
    await assert.rejects(put('permit (principal == Perdure::Usr::"x", action, resource);'), /Usr/)
    await assert.rejects(put('permit (principal, action == Perdure::Action::"Fly", resource);'), /Fly/)
    await assert.rejects(put('permit (principal == ?principal, action, resource);'), /template/)
    await assert.rejects(
      put('@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);'),
      /same @id/,
    )
    assert.deepEqual(await opened.admin.listPolicies(rules), [])
    const { revision } = await opened.admin.putPolicy(rules, 'own', 'permit (principal, action, resource);')
    await assert.rejects(
      opened.admin.putPolicy(rules, 'own', 'forbid (principal, action, resource);', {
        ifRevision: revision + 1,
      }),
      /REVISION_CONFLICT/,
    )
  })

  test('are told apart, whatever they and their texts are called', async () => {
    await using opened = await openAccess()
    const permit = (name: string): string =>
      `@id("${name}") permit (principal, action == Perdure::Action::"ReadExecution", resource);`
    await opened.admin.putPolicy(rules, 'a', permit('b:c'))
    await opened.admin.putPolicy(rules, 'a:b', permit('c'))
    await opened.admin.putPolicy(rules, 'a%3Ab', permit('c'))
    // The second of them has no name, and the number that is the name of the first.
    const number = 'permit (principal, action == Perdure::Action::"ReadExecution", resource);'
    await opened.admin.putPolicy(rules, 'n', `${permit('2')}\n${number}`)
    assert.equal(opened.access.trouble, undefined)
    const { policies } = await explainAccess(opened, rules, {
      principal: 'token:https://issuer.test#bob',
      action: 'ReadExecution',
      namespace: 'default',
      id: 'x',
    })
    assert.deepEqual(
      policies.map(({ id }) => id),
      ['api:a%253Ab:c', 'api:a%3Ab:c', 'api:a:b%3Ac', 'api:n:"2"', 'api:n:2'],
    )
    assert.deepEqual(
      policies.map(({ text }) => text),
      [permit('c'), permit('c'), permit('b:c'), permit('2'), number],
    )
  })

  test('in files keep those from before in force, and say so', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'perdure-policies-'))
    try {
      const file = join(directory, 'own.cedar')
      writeFileSync(join(directory, 'read.me'), 'no policy')
      writeFileSync(
        file,
        'permit (principal == Perdure::User::"token:https://issuer.test#eve", action, resource);',
      )
      await using opened = await openAccess({ policies: directory })
      const may = (user: string): boolean =>
        opened.access.authorizer.decide(person(user), 'ListNodes', resources.node(undefined)).isAllowed
      assert.deepEqual([may('eve'), may('bob')], [true, false])
      writeFileSync(
        file,
        'permit (principal == Perdure::User::"token:https://issuer.test#bob", action, resource',
      )
      opened.pass(1000)
      assert.deepEqual([may('eve'), may('bob')], [true, false])
      assert.match(opened.access.trouble ?? '', /policies of the files: .*own\.cedar/)
      // The API goes on beside them.
      await opened.admin.putPolicy(
        rules,
        'shut',
        'forbid (principal, action == Perdure::Action::"DrainNode", resource);',
      )
      assert.match(opened.access.trouble ?? '', /own\.cedar/)
      writeFileSync(
        file,
        'permit (principal == Perdure::User::"token:https://issuer.test#bob", action, resource);',
      )
      opened.pass(1000)
      assert.deepEqual([may('eve'), may('bob')], [false, true])
      assert.equal(opened.access.trouble, undefined)
      rmSync(file)
      opened.pass(1000)
      assert.deepEqual([may('eve'), may('bob')], [false, false])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('in files stop the engine when it starts', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'perdure-policies-'))
    try {
      writeFileSync(
        join(directory, 'own.cedar'),
        'permit (principal, action, resource) when { resource.nmae == "x" };',
      )
      await assert.rejects(openAccess({ policies: directory }), /ARGUMENT_INVALID/)
      await assert.rejects(openAccess({ policies: join(directory, 'none') }), /ARGUMENT_INVALID/)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('in the registry when the engine starts shut everybody out', async () => {
    await using before = await openAccess()
    await before.registry.put({ kind: 'policy', namespace: '', id: 'new' }, { text: 'forbid (a, b, c);' })
    assert.equal(
      before.access.authorizer.decide(rules, 'ListNodes', resources.node(undefined)).isAllowed,
      true,
    )
    assert.match(before.access.trouble ?? '', /registry/)
    assert.equal(before.access.isShut, false)
    await using after = await openAccess({}, {}, before.registry)
    assert.equal(
      after.access.authorizer.decide(rules, 'ListNodes', resources.node(undefined)).isAllowed,
      false,
    )
    assert.equal(after.access.isShut, true)
    await before.registry.put({ kind: 'policy', namespace: '', id: 'new' }, undefined)
    assert.equal(after.access.isShut, false)
    assert.equal(
      after.access.authorizer.decide(rules, 'ListNodes', resources.node(undefined)).isAllowed,
      true,
    )
  })
})

test('changes of roles count at once, and workers are told', async () => {
  await using opened = await openAccess({}, { list: () => ({ executions: [] }) })
  const caller = person('ann', ['staff'])
  const port = opened.access.portOf(caller)
  const list = (): Promise<string> => codeOf(port.list({ namespace: 'default' }))
  assert.equal(await list(), 'NAMESPACE_NOT_FOUND')
  const binding = { principal: 'group:staff', role: 'viewer', namespace: 'default' } as const
  await opened.admin.bindRole(rules, binding)
  assert.equal(await list(), 'done')
  const worker = { principal: caller.id, role: 'worker' } as const
  await opened.admin.bindRole(rules, worker)
  const hello = { type: 'hello', namespace: 'default', tasks: ['mail'], credits: 1 } as const
  const told: string[] = []
  opened.access.followWorker(caller, hello, ({ code }) => told.push(code))
  await opened.access.assertWorker(caller, hello)
  await opened.admin.unbindRole(rules, binding)
  assert.equal(await list(), 'FORBIDDEN')
  assert.deepEqual(told, [])
  await opened.admin.unbindRole(rules, worker)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(told, ['NAMESPACE_NOT_FOUND'])
})

describe('whatever policies there are', () => {
  const principals = [person('ann', ['staff'], ['developer']), person('bob', [], ['viewer@*']), rules]
  const actions: readonly Action[] = [
    'ReadExecution',
    'TerminateExecution',
    'EnqueueTask',
    'ListNodes',
    'CreateApiKey',
  ]
  const scopes = fc.record({
    principal: fc.constantFrom(
      'principal',
      'principal == Perdure::User::"token:https://issuer.test#ann"',
      'principal in Perdure::Group::"staff"',
      'principal in Perdure::Role::"viewer"',
    ),
    action: fc.constantFrom(
      'action',
      'action == Perdure::Action::"ReadExecution"',
      'action in [Perdure::Action::"Read"]',
      'action in [Perdure::Action::"TerminateExecution", Perdure::Action::"EnqueueTask"]',
    ),
    when: fc.constantFrom(
      '',
      'when { resource is Perdure::Execution && resource.workflowId == "a" }',
      'when { resource is Perdure::Execution && resource.hasTag("tier") && resource.getTag("tier") == "gold" }',
      'when { context has address && context.address.isInRange(ip("10.0.0.0/8")) }',
      'unless { context.time.toTime() < duration("12h") }',
      'when { resource in Perdure::Namespace::"default" }',
      'when { principal has user && principal.user == "ann" }',
    ),
  })
  const policy = fc
    .tuple(fc.constantFrom('permit', 'forbid'), scopes)
    .map(([effect, { principal, action, when }]) => `${effect} (${principal}, ${action}, resource) ${when};`)
  const question = fc.record({
    caller: fc.constantFrom(...principals),
    action: fc.constantFrom(...actions),
    namespace: fc.constantFrom('default', 'billing'),
    id: fc.constantFrom('a', 'b'),
    tier: fc.constantFrom(undefined, 'gold'),
    address: fc.constantFrom('10.1.1.1', '192.0.2.1', undefined),
    passedMs: fc.integer({ min: 0, max: 12 * 3_600_000 }),
  })

  test('a decision that is kept is the one that is made anew; forbid wins; nothing is allowed that nobody permits', async () => {
    const cedar = await loadCedar()
    await using opened = await openAccess()
    await opened.createNamespace('billing')
    let kept = 0
    const sets = new Map<string, PolicySet>()
    await fc.assert(
      fc.asyncProperty(
        fc.array(policy, { maxLength: 3 }),
        fc.array(question, { minLength: 5, maxLength: 15 }),
        async (texts, questions) => {
          const place = { kind: 'policy', namespace: '', id: 'own' }
          await opened.registry.put(place, texts.length === 0 ? undefined : { text: texts.join('\n') })
          const { authorizer, policies } = opened.access
          // Each text alone says whether it applies.
          const alone = texts.map((text) => {
            const set = sets.get(text) ?? new PolicySet(cedar, [{ id: '1', text }])
            sets.set(text, set)
            return set
          })
          const cachedBefore = authorizer.counts.cached
          for (const { caller, action, namespace, id, tier, address, passedMs } of [
            ...questions,
            ...questions,
          ]) {
            opened.clock.advance(passedMs)
            const who = { ...caller }
            if (address === undefined) Reflect.deleteProperty(who, 'address')
            else Reflect.set(who, 'address', address)
            const resource = resourceOf(action, namespace, id, tier)
            const decision = authorizer.decide(who, action, resource)
            const request = authorizer.requestOf(who, action, resource)
            assert.deepEqual(decision, policies.current.decide(request))
            const applies = alone.map((set) => set.decide(request).policies.length > 0)
            const forbids = texts.some((text, index) => text.startsWith('forbid') && applies[index])
            if (forbids) assert.equal(decision.isAllowed, false)
            if (decision.isAllowed) assert.ok(decision.policies.length > 0)
          }
          kept += authorizer.counts.cached - cachedBefore
        },
      ),
      { numRuns: 20 },
    )
    assert.ok(kept > 100, `only ${kept} decisions were kept: this has shown nothing`)
  })
})

function resourceOf(action: Action, namespace: string, id: string, tier: string | undefined) {
  const type = resourceTypeOf(action)
  if (type === 'Execution')
    return resources.execution(
      { namespace, workflowId: id },
      { workflow: 'w', attributes: tier === undefined ? {} : { tier } },
    )
  if (type === 'Task') return resources.task({ namespace, id }, { name: 'n', queue: 'q' })
  return type === 'Node' ? resources.node(id) : resources.administrative(type, namespace, id)
}
