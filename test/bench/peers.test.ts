import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { UsageError } from '../../bench/command-line.ts'
import { turnsOf } from '../../bench/peers/peer-contest.ts'
import { missingPackages, neededPackages } from '../../bench/peers/peer-packages.ts'
import { peersTables, queueRows, workflowRows } from '../../bench/peers/peer-rows.ts'
import { QUEUE_SIDES, SIDES, WORKFLOW_SIDES } from '../../bench/peers/peer-sides.ts'
import { PEERS_HELP, parsePeersCommandLine } from '../../bench/peers/peers-command-line.ts'
import { lockfileFaults } from '../architecture/lockfile-rules.ts'

const folder = join(import.meta.dirname, '..', '..', 'bench')

async function bench(...args: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(process.execPath, [join(folder, 'bench.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = new Promise<number | null>((resolve) => void child.once('close', resolve))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await closed, output, errors }
}

describe('the benchmark of the peers, with Perdure alone', () => {
  const tiny = [
    'peers',
    '--only',
    'perdure-sqlite',
    '--in-flight',
    '1,4',
    '--executions',
    '20',
    '--steps',
    '3',
  ]

  test('lines of JSON: versions, workflows, queue', async () => {
    const { code, output, errors } = await bench(...tiny, '--jobs', '500', '--rounds', '2', '--json')
    assert.equal(code, 0, errors)
    const lines = output.trimEnd().split('\n')
    const [about = {}, one = {}, four = {}, queue = {}] = lines.map(
      (line) => JSON.parse(line) as Record<string, unknown>,
    )
    assert.equal(lines.length, 4)
    assert.deepEqual([about.workload, about.node], ['peers', process.versions.node])
    assert.deepEqual(Object.keys(about.versions ?? {}), ['perdure'])
    for (const [row, inFlight] of [
      [one, 1],
      [four, 4],
    ] as const) {
      assert.deepEqual(
        [row.workload, row.side, row.inFlight],
        ['peers workflows', 'perdure-sqlite', inFlight],
      )
      assert.ok(Number(row.executionsPerSecond) > 0)
      assert.ok(Number((row.latencyMs as { p50: number }).p50) > 0)
      assert.equal((row.rounds as unknown[]).length, 2)
    }
    assert.deepEqual([queue.workload, queue.side, queue.jobs], ['peers queue', 'perdure-sqlite', 500])
    assert.ok(Number(queue.enqueuePerSecond) > 0 && Number(queue.drainPerSecond) > 0)
  })

  test('tables', async () => {
    const { code, output, errors } = await bench(...tiny, '--jobs', '100', '--rounds', '1')
    assert.equal(code, 0, errors)
    assert.match(output, /^\d{4}-\d\d-\d\d, \d+ cores, Node [\d.]+, perdure [\d.]+\n/)
    assert.match(output, /^\| perdure-sqlite \| 4 \|/m)
    assert.match(output, /^\| queue \| enqueue\/s \|/m)
  })

  test('help, and what is refused', async () => {
    const { code, output } = await bench('peers', '--help')
    assert.deepEqual([code, output], [0, PEERS_HELP])
    for (const args of [
      ['peers', '--only', 'nobody'],
      ['--json', 'peers'],
      ['peers', 'steps'],
    ]) {
      const refused = await bench(...args)
      assert.equal(refused.code, 2, refused.errors)
    }
  })
})

describe('the command line of the peers', () => {
  test('defaults: all sides, 1, 64 and 1,000 in flight', () => {
    const given = parsePeersCommandLine([])
    assert.deepEqual(given.sides, SIDES)
    assert.deepEqual([given.inFlight, given.steps, given.rounds], [[1, 64, 1000], 10, 3])
    for (const side of [...WORKFLOW_SIDES, ...QUEUE_SIDES]) assert.ok(PEERS_HELP.includes(side), side)
  })

  test('some of the sides are in the order of the tables, each once', () => {
    const { sides } = parsePeersCommandLine(['--only', 'bullmq,dbos, bullmq'])
    assert.deepEqual(sides, ['dbos', 'bullmq'])
  })

  test('a tenth of the work', () => {
    const [quick, full] = [parsePeersCommandLine(['--quick']), parsePeersCommandLine([])]
    assert.deepEqual([quick.jobs * 10, quick.roundMs * 10, quick.rounds], [full.jobs, full.roundMs, 1])
    assert.equal(parsePeersCommandLine(['--quick', '--rounds', '5']).rounds, 5)
  })

  test('what is no count, and what there is not', () => {
    for (const args of [
      ['--in-flight', '1,0'],
      ['--in-flight', ''],
      ['--jobs', '1.5'],
      ['--only', ''],
      ['--store', 'sqlite'],
    ])
      assert.throws(() => parsePeersCommandLine(args), UsageError, args.join(' '))
  })
})

describe('rows and rounds of the peers', () => {
  const latencyMs = { p50: 2, p99: 4 }
  const rounds = (...rates: number[]) =>
    rates.map((executionsPerSecond) => ({ executionsPerSecond, latencyMs }))

  test('medians, and how many times the figure of a peer Perdure has', () => {
    const rows = workflowRows(
      { inFlight: 64, steps: 10 },
      new Map([
        ['perdure-postgres', rounds(90, 100, 400)],
        ['dbos', rounds(50, 10, 20)],
      ] as const),
    )
    assert.deepEqual(
      rows.map(({ side, executionsPerSecond, stepsPerSecond, perdureRatio }) => [
        side,
        executionsPerSecond,
        stepsPerSecond,
        perdureRatio,
      ]),
      [
        ['perdure-postgres', 100, 1000, {}],
        ['dbos', 20, 200, { 'perdure-postgres': 5 }],
      ],
    )
    assert.equal(peersTables(rows, []).split('\n').at(-1), '| dbos | 64 | 20 | 200 | 2 | 5 x |  |')
  })

  test('a queue has two figures, each with ratios of its own', () => {
    const rows = queueRows(
      1000,
      new Map([
        ['perdure-postgres', [{ enqueuePerSecond: 3000, drainPerSecond: 1000 }]],
        ['perdure-sqlite', [{ enqueuePerSecond: 6000, drainPerSecond: 4000 }]],
        ['bullmq', [{ enqueuePerSecond: 2000, drainPerSecond: 2000 }]],
      ] as const),
    )
    assert.equal(
      peersTables([], rows).split('\n').at(-1),
      '| bullmq | 2,000 | 1.5 x | 3 x | 2,000 | 0.5 x | 2 x |',
    )
  })

  test('each round begins with another side', () => {
    const sides = ['a', 'b', 'c']
    assert.deepEqual(
      [0, 1, 2, 3].map((round) => turnsOf(sides, round).join('')),
      ['abc', 'bca', 'cab', 'abc'],
    )
    assert.deepEqual(turnsOf([], 1), [])
  })
})

describe('the packages of the peers', () => {
  const read = (name: string) => JSON.parse(readFileSync(join(folder, 'peers', name), 'utf8'))

  test('exact versions, in a lockfile for every platform that names no registry', () => {
    const lockfile = read('package-lock.json')
    const wanted: Record<string, string> = read('package.json').optionalDependencies
    assert.deepEqual(lockfileFaults(lockfile), [])
    for (const [name, version] of Object.entries(wanted))
      assert.equal(lockfile.packages[`node_modules/${name}`]?.version, version, name)
  })

  test('each peer has what it needs in the list, and Perdure needs none', () => {
    const wanted: Record<string, string> = read('package.json').optionalDependencies
    for (const side of SIDES) {
      const needed = neededPackages(side).filter((name) => !name.startsWith('@restatedev/restate-server-'))
      assert.equal(needed.length === 0, side.startsWith('perdure-'), side)
      for (const name of needed) assert.ok(name in wanted, name)
    }
  })

  test('a package in another version is missing', () => {
    const wanted = new Map([
      ['a', '1.0.0'],
      ['b', '2.0.0'],
    ])
    assert.deepEqual(
      missingPackages(
        ['a', 'b', 'c'],
        wanted,
        new Map([
          ['a', '1.0.0'],
          ['b', '1.9.0'],
        ]),
      ),
      ['b', 'c'],
    )
  })
})
