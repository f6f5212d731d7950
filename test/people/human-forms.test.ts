/** What a human task is asked with, and what is filled in. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { workflow } from '../../src/index.ts'
import { ann, approving, asking, engineOf, failsWith, openTask, question } from './people-fixtures.ts'

describe('asking', () => {
  test('explain and describe of the execution say who it waits for', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(asking, { ...question, name: 'check', dueIn: '1h' })
    const id = await openTask(people)
    const { sentence, reason } = await execution.explain()
    assert.equal(reason, 'human')
    assert.equal(
      sentence,
      `it waits for human task check (${id}): claimed by nobody in group finance, due 2026-11-26T10:00:00.000Z`,
    )
    await people.claim(id, ann)
    assert.match((await execution.explain()).sentence, /claimed by ann/)
    const { pending } = await execution.describe()
    assert.deepEqual(pending[0]?.humanTaskId, id)
  })

  test('an approver by name has a seat, and an approval is not completed', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const options = { title: 'Pay', approvers: ['ann', 'bob'], order: 'sequence' } as const
    const execution = await engine.start(approving, options)
    const id = await openTask(people)
    assert.match((await execution.explain()).sentence, /: with ann$/)
    await assert.rejects(
      people.complete(id, ann),
      failsWith('HUMAN_TASK_CONFLICT', /is an approval: approve or reject it, do not complete it/),
    )
    const typo = { user: 'ann', group: ['finance'] }
    await assert.rejects(
      people.approve(id, typo as never),
      /the person has no 'group'; there are user, groups/,
    )
    await assert.rejects(people.list({ cursor: 'zz' }), /not one that a list of human tasks returned/)
  })

  test('unknown ids and those of other namespaces are not found', async () => {
    await using engine = await engineOf()
    await engine.start(asking, question, { id: 'x' })
    const id = await openTask(engine.people)
    const found = failsWith('HUMAN_TASK_NOT_FOUND')
    await assert.rejects(engine.people.describe('nonsense'), found)
    await assert.rejects(engine.people.describe(id.replace(/1$/, '2')), found)
    await assert.rejects(engine.people.claim(id.replace(/1$/, '2'), ann), found)
    await assert.rejects(engine.people.history(`${id.slice(0, 26).replace(/.$/, 'Z')}-1`), found)
  })

  test('wrong options are said before anything is recorded', async () => {
    await using engine = await engineOf()
    const refused = async (options: object, message: RegExp) => {
      const execution = await engine.start(asking, options as never)
      await assert.rejects(execution.result(), message)
    }
    await refused({ title: '', candidateUsers: ['a'] }, /title is empty/)
    await refused({ title: 'x' }, /nobody could do it/)
    await refused({ ...question, priorty: 3 }, /no option 'priorty'/)
    await refused({ ...question, priority: 10 }, /priority is 10/)
    await refused({ ...question, onDue: 'expire' }, /needs dueIn/)
    await refused({ ...question, name: 'x', fourEyes: 'x' }, /fourEyes has the name of the task itself/)
    await refused({ ...question, escalate: { after: '1h', group: ['a'] } }, /no option 'group'/)
    await refused({ ...question, form: 'text' }, /no schema/)
    await refused(
      { ...question, form: { $ref: '#/$defs/nowhere' } },
      /refers to .*nowhere, which is not in it/,
    )
    await refused({ ...question, form: { properties: { a: { pattern: '(' } } } }, /no JSON Schema: .*regular/)
    await refused({ ...question, form: { type: 'object', default: new Date(0) } }, /not a JSON object/)
    await refused({ ...question, candidateUsers: 'ann' }, /candidateUsers is not a list/)
    await refused({ ...question, managers: ['boss'] }, /managers is not \{ users, groups \}/)
    await refused({ ...question, managers: { user: 'boss' } }, /managers has no option 'user'/)
    await refused({ ...question, escalate: { groups: ['a'] } }, /escalate.after: undefined is not a duration/)
    await refused({ ...question, escalate: { after: '1h' } }, /escalate changes nothing/)
    await refused({ ...question, dueIn: 1e15 }, /dueIn: 1000000000000000 is longer than 9,000,000,000,000 ms/)
    assert.deepEqual((await engine.people.list()).tasks, [])
  })
})

describe('forms that are no JSON Schema', () => {
  const wrong: [form: object, where: RegExp][] = [
    [{ type: 'objct' }, /no JSON Schema: type: .*"object"/],
    [{ type: ['string', 'nul'] }, /no JSON Schema: type/],
    [{ required: 'a' }, /no JSON Schema: required: .*array/],
    [{ properties: [] }, /no JSON Schema: properties: .*object/],
    [{ properties: { a: { minimum: 'x' } } }, /no JSON Schema: properties\/a\/minimum: .*number/],
    [{ items: [{ type: 'string' }] }, /no JSON Schema: items: /],
    [{ allOf: [] }, /no JSON Schema: allOf/],
    [{ $defs: { a: { minLength: -1 } } }, /no JSON Schema: \$defs\/a\/minLength/],
  ]

  test('are refused when they are opened, with the place', async () => {
    await using engine = await engineOf()
    for (const [form, message] of wrong) {
      const execution = await engine.start(asking, { ...question, form } as never)
      await assert.rejects(execution.result(), message)
    }
    assert.deepEqual((await engine.people.list()).tasks, [])
  })

  test('what a schema says beside its keywords is a note; values that look like keywords are values', async () => {
    await using engine = await engineOf()
    const form = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      'x-widget': 'table',
      properties: {
        type: { const: { type: 'objct' } },
        required: true,
        format: { format: 'iban', default: { minimum: 'x' } },
      },
      additionalProperties: false,
    }
    await engine.start(asking, { ...question, form } as never)
    const id = await openTask(engine.people)
    await assert.rejects(
      engine.people.complete(id, ann, { data: { other: 1 } }),
      failsWith('HUMAN_TASK_DATA_INVALID', /other: Nothing is allowed here/),
    )
    await engine.people.complete(id, ann, { data: { type: { type: 'objct' } } })
  })
})

describe('forms', () => {
  const tree = {
    $defs: {
      node: { type: 'object', properties: { name: { type: 'string' }, below: { $ref: '#/$defs/list' } } },
      list: { type: 'array', items: { $ref: '#/$defs/node' } },
    },
    $ref: '#/$defs/node',
    unevaluatedProperties: false,
  }

  test('may refer to themselves', async () => {
    await using engine = await engineOf()
    const { people } = engine
    const execution = await engine.start(asking, { ...question, form: tree })
    const id = await openTask(people)
    const bad = JSON.parse('{ "name": "a", "below": [{ "name": 1 }], "__proto__": {} }')
    await assert.rejects(people.complete(id, ann, { data: bad }), failsWith('HUMAN_TASK_DATA_INVALID'))
    const data = { name: 'a', below: [{ name: 'b', below: [] }] }
    await people.complete(id, ann, { data })
    assert.deepEqual((await execution.result()).data, data)
  })

  test('a schema of a library says itself as JSON Schema, and changes what it accepts', async () => {
    const form = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => ({ value: { doubled: (value as { n: number }).n * 2 } }),
        jsonSchema: {
          input: ({ target }: { readonly target: string }) => {
            assert.equal(target, 'draft-2020-12')
            return { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] }
          },
        },
        types: undefined as
          | { readonly input: { n: number }; readonly output: { doubled: number } }
          | undefined,
      },
    } as const
    const doubling = workflow({
      name: 'doubling',
      run: async (ctx) => {
        const { data } = await ctx.humanTask({ ...question, form })
        return data.doubled
      },
    })
    await using engine = await engineOf({ workflows: [doubling] })
    const { people } = engine
    const execution = await engine.start(doubling)
    const id = await openTask(people)
    await assert.rejects(
      people.complete(id, ann, { data: { n: 'x' } }),
      failsWith('HUMAN_TASK_DATA_INVALID', /n/),
    )
    await people.complete(id, ann, { data: { n: 2 } })
    assert.equal(await execution.result(), 4)
  })
})
