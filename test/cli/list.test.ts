/** `perdure list` on a real file. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { makeOrders, type ProgramSettings, perdure, temporaryDirectory } from './store-fixture.ts'

interface Summary {
  readonly id: string
  readonly runId: string
  readonly status: string
  readonly attributes: Record<string, unknown>
}

describe('perdure list', () => {
  const directory = temporaryDirectory()
  let file = ''
  before(async () => {
    file = await makeOrders(directory.path)
  })
  after(() => directory.remove())

  const list = (args: readonly string[] = [], settings: ProgramSettings = {}) =>
    perdure(['list', '--store', `sqlite:${file}`, ...args], settings)
  const summaries = async (...args: string[]): Promise<Summary[]> => {
    const { stdout, code, stderr } = await list(['--json', ...args])
    assert.equal(code, 0, stderr)
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }
  const ids = async (...args: string[]): Promise<string[]> => (await summaries(...args)).map(({ id }) => id)

  test('newest first, one JSON object per line', async () => {
    const all = await summaries()
    const runs = all.map(({ runId }) => runId)
    assert.deepEqual(runs, runs.toSorted().toReversed())
    assert.equal(all.length, 11)
    const order = all.find(({ id }) => id === 'order-1')
    assert.partialDeepStrictEqual(order, {
      namespace: 'default',
      workflow: 'fulfil-order',
      version: '2',
      status: 'completed',
      attributes: { customer: 'bob', total: 10 },
    })
  })

  test('by status, several with commas or repeated', async () => {
    assert.deepEqual(await ids('--status', 'failed'), ['order-fail'])
    assert.deepEqual(await ids('--status', 'failed,parked'), ['order-fail', 'order-parked'])
    assert.deepEqual(await ids('--status', 'failed', '--status', 'parked'), ['order-fail', 'order-parked'])
  })

  test('by workflow and namespace', async () => {
    assert.deepEqual(await ids('--workflow', 'ship'), ['order-ship-parcel'])
    assert.deepEqual(await ids('--namespace', 'elsewhere'), [])
  })

  test('by attributes: a number matches, and so does the text of one', async () => {
    assert.deepEqual(await ids('--attribute', 'total=10'), ['order-1'])
    assert.deepEqual(await ids('--attribute', 'customer=ada', '--status', 'completed'), [
      'order-2',
      'order-0',
    ])
    assert.deepEqual(await ids('--attribute', 'customer=ada', '--attribute', 'total=20'), ['order-2'])
    assert.deepEqual(await ids('--attribute', 'toString=x'), [])
  })

  test('by start time', async () => {
    assert.equal((await ids('--since', '1h')).length, 11)
    assert.deepEqual(await ids('--until', '1h'), [])
    assert.equal((await ids('--since', '2000-01-01', '--until', '2999-01-01T00:00:00Z')).length, 11)
    assert.deepEqual(await ids('--since', '2999-01-01 10:00'), [])
  })

  test('page by page: the pages are the whole list, and the hint names the next', async () => {
    const whole = await ids()
    const paged: string[] = []
    let cursor: string | undefined
    do {
      const { stdout, stderr } = await list([
        '--json',
        '--limit',
        '4',
        ...(cursor === undefined ? [] : ['--cursor', cursor]),
      ])
      paged.push(
        ...stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line).id),
      )
      cursor = /--cursor (\S+)/.exec(stderr)?.[1]
    } while (cursor !== undefined)
    assert.deepEqual(paged, whole)
  })

  test('pages of a list with attributes are complete too', async () => {
    const filter = ['--attribute', 'customer=ada']
    const whole = await summaries(...filter)
    const first = await summaries(...filter, '--limit', '2')
    const rest = await summaries(...filter, '--cursor', first.at(-1)?.runId ?? '')
    assert.deepEqual([...first, ...rest], whole)
  })

  test('the table fits every width, and never wraps', async () => {
    for (const columns of [20, 33, 40, 60, 80, 100, 140, 200]) {
      const { stdout } = await list([], { columns })
      const lines = stdout.trimEnd().split('\n')
      assert.equal(lines.length, 12, `${columns} columns`)
      for (const line of lines) assert.ok(line.length <= columns, `${columns} columns: ${line}`)
    }
    const narrow = await list([], { columns: 40 })
    assert.match(narrow.stdout, /^order-ship-\S*…/m)
    const wide = await list([], { columns: 200 })
    assert.match(wide.stdout, /customer=ada total=20/)
  })

  test('80 columns where there is no terminal', async () => {
    const { stdout } = await list()
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line)
    assert.match(stdout, /^ID +WORKFLOW +VERSION +STATUS +STARTED +TOOK$/m)
  })

  test('nothing found is said on standard error', async () => {
    const { stdout, stderr, code } = await list(['--status', 'cancelled'])
    assert.deepEqual({ stdout, stderr, code }, { stdout: '', stderr: 'No executions.\n', code: 0 })
  })

  const wrong: [args: string[], says: RegExp][] = [
    [['--status', 'faild'], /'faild' is not a status\nDid you mean failed\?/],
    [['--since', 'yesterday'], /--since yesterday is not a time/],
    [['--since', '2026-13-45'], /is not a time/],
    [['--limit', '0'], /--limit 0 is not a whole number of 1 or more/],
    [['--limit', '1e3'], /not a whole number/],
    [['--cursor', 'x'], /--cursor x is not a run id/],
    [['--attribute', 'total'], /not of the form NAME=VALUE/],
    [['--statu', 'failed'], /there is no option --statu\nDid you mean --status\?/],
    [['order-1'], /'order-1' is one argument too many/],
    [['--limit'], /--limit/],
  ]
  for (const [args, says] of wrong) {
    test(`${args.join(' ')} is refused with exit code 2`, async () => {
      const { code, stdout, stderr } = await list(args)
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.match(stderr, says)
      assert.match(stderr, /See perdure list --help/)
    })
  }
})
