/** Every command in `docs/cli.md` is run, and prints what the page shows but for times, ids and sizes. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openRest, type RestFixture, wordsOf } from './rest-fixture.ts'
import {
  appendEvent,
  copyOf,
  damage,
  makeAudited,
  makeOrders,
  makePeople,
  makeQueues,
  makeSchedules,
  makeTasks,
  perdure,
  temporaryDirectory,
} from './store-fixture.ts'

const NIGHT = `@id("no-cancel")
forbid (principal, action == Perdure::Action::"CancelExecution", resource);
`
const ORDERS = JSON.stringify({
  match: { type: 'shop.order.*' },
  start: { workflow: 'fulfil-order', version: '2', id: 'order-{/data/order}' },
})
const PAGE = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8')

interface Example {
  readonly command: string
  readonly shown: string
}

const examples: Example[] = [...PAGE.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
  block
    .split(/^\$ /m)
    .filter((part) => part !== '')
    .map((part) => {
      const end = part.indexOf('\n')
      return { command: part.slice(0, end), shown: part.slice(end + 1) }
    }),
)

/** What differs from run to run. */
function masked(text: string): string {
  return text
    .replace(/\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b/g, 'RUN')
    .replace(/\b(pdk|whsec)_\S+|\b[0-9a-z]{12}\b/g, 'KEY')
    .replace(/~[0-9a-z]{8,}|--cursor \S+/g, 'NUMBER')
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+Z)?/g, 'TIME')
    .replace(/\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d\.\d{3}|"at":\d{10,}|\b\d{13}\b/g, 'TIME')
    .replace(/\b\d+(\.\d+)?(ms|s|m|h|d)( \d+[smhd])?\b/g, 'DURATION')
    .replace(/\b\d+(\.\d+)? (KiB|MiB|GiB|TiB)\b/g, 'SIZE')
    .replace(/Node \d+\.\d+\.\d+|SQLite \d+\.\d+\.\d+|\S+:\d+,(?=\s+session)|\d+ journal rows?/g, 'X')
    .replace(/\s+/g, ' ')
    .trim()
}

describe('docs/cli.md', () => {
  const directory = temporaryDirectory()
  /** Of the commands that ask an engine. */
  let on: RestFixture
  before(async () => {
    on = await openRest()
    writeFileSync(join(directory.path, 'night.cedar'), NIGHT)
    writeFileSync(join(directory.path, 'orders.json'), ORDERS)
    const file = await makeOrders(directory.path)
    await makeTasks(directory.path)
    await makeSchedules(directory.path)
    await makeQueues(directory.path)
    await makePeople(directory.path)
    await makeAudited(directory.path)
    damage(
      copyOf(file, 'damaged'),
      appendEvent('order-0', '{"type":"execution-completed","result":[1,"json",null,1]}'),
    )
  })
  after(async () => {
    await on[Symbol.asyncDispose]()
    directory.remove()
  })

  test('has an example of every command', () => {
    for (const name of [
      'list',
      'show',
      'history',
      'tasks',
      'schedules',
      'queues',
      'doctor',
      'access',
      'namespaces',
    ])
      assert.ok(
        examples.some(({ command }) => command.startsWith(`perdure ${name}`)),
        name,
      )
    assert.doesNotMatch(PAGE, /```(?!console\n|\n)/)
  })

  for (const { command, shown } of examples) {
    test(command, async () => {
      const [program, ...args] = wordsOf(command)
      assert.equal(program, 'perdure')
      const { stdout, stderr } = await perdure(args, { directory: directory.path, env: on.env })
      assert.equal(masked(stdout + stderr), masked(shown))
    })
  }
})
