import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { picks } from '../../bench/workloads/picks.ts'
import { BALANCER_NAMES, POLICY_NAMES } from '../../src/protocol/queue-settings.ts'

const program = join(import.meta.dirname, '..', '..', 'bench', 'bench.ts')

async function bench(...args: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = new Promise<number | null>((resolve) => void child.once('close', resolve))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await closed, output, errors }
}

/** The results of a tiny run, one per line. */
async function results(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, output, errors } = await bench(...args, '--quick', '--json')
  assert.equal(code, 0, errors)
  const lines = output.trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

function assertFigures(result: Record<string, unknown>, names: readonly string[]): void {
  for (const name of names) {
    const value = name
      .split('.')
      .reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], result)
    assert.ok(typeof value === 'number' && Number.isFinite(value) && value >= 0, `${name} is ${value}`)
  }
}

const COMMON = [
  'inFlight',
  'executionsPerSecond',
  'stepsPerSecond',
  'latencyMs.p50',
  'latencyMs.p99',
  'bare.stepsPerSecond',
  'bare.latencyMs.p50',
  'bare.latencyMs.p99',
  'ratio',
  'rssMiB',
  ...['engine', 'bare'].flatMap((side) =>
    ['commits', 'rows', 'fsyncs'].map((count) => `perExecution.${side}.${count}`),
  ),
]

describe('the benchmark', { concurrency: 3 }, () => {
  for (const store of ['sqlite', 'memory']) {
    test(`steps on ${store}: four commits for an execution by itself, the same rows bare`, async () => {
      const [result = {}] = await results('steps', '--store', store, '--in-flight', '1', '--executions', '20')
      assertFigures(result, COMMON)
      assert.deepEqual([result.workload, result.store, result.inFlight], ['steps', store, 1])
      const { engine, bare } = result.perExecution as Record<string, Record<string, number>>
      assert.deepEqual(engine, bare)
      assert.equal(engine?.commits, 4)
      assert.equal(engine?.fsyncs, store === 'sqlite' ? 4 : 0)
      assert.equal(typeof result.met, store === 'sqlite' ? 'boolean' : 'object')
    })
  }

  test('steps without a number in flight: 1, 64 and 1,000', async () => {
    const all = await results('steps', '--executions', '100')
    assert.deepEqual(
      all.map(({ inFlight }) => inFlight),
      [1, 64, 1000],
    )
  })

  test('metrics: an engine that observes itself, against one that does not', async () => {
    const rows = await results('metrics', '--executions', '40', '--in-flight', '4')
    assert.deepEqual(
      rows.map(({ store, observes }) => `${store} ${observes}`),
      ['sqlite', 'memory'].flatMap((store) =>
        [
          'none',
          'metrics',
          'traces, no SDK',
          'traces, 1 % sampled',
          'traces, all',
          'metrics, traces 1 %',
        ].map((observes) => `${store} ${observes}`),
      ),
    )
    for (const row of rows) assertFigures(row, ['stepsPerSecond', 'ratio', 'cpuRatio'])
  })

  test('fanout is held against steps', async () => {
    const [result = {}] = await results('fanout', '--executions', '6', '--in-flight', '2')
    assertFigures(result, [...COMMON, 'ratioToSteps'])
  })

  for (const store of ['sqlite', 'memory']) {
    test(`history on ${store}: beginning, end, and replay`, async () => {
      const [result = {}] = await results('history', '--store', store, '--executions', '40')
      assertFigures(result, [...COMMON, 'firstStepsPerSecond', 'lastStepsPerSecond', 'replaySeconds'])
      assert.equal(result.steps, 40)
    })
  }

  test('sleepers: memory, restart, and all that are due fire', async () => {
    const [result = {}] = await results('sleepers', '--executions', '400')
    assertFigures(result, [...COMMON, 'readySeconds', 'startRateRatio', 'latenessMs.p99'])
    assert.equal(typeof result.rssBeyondEmptyMiB, 'number')
    assert.deepEqual([result.due, result.dueFired], [40, 40])
  })

  test('workflow-tasks: three tasks beside three steps', async () => {
    const [result = {}] = await results('workflow-tasks', '--in-flight', '4', '--executions', '40')
    assertFigures(result, COMMON)
    assert.deepEqual([result.workload, result.inFlight], ['workflow-tasks', 4])
  })

  test('backlog: memory, restart, and rates beside an empty queue', async () => {
    const all = await results('backlog', '--executions', '2000', '--in-flight', '16')
    assert.deepEqual(
      all.map(({ workload }) => workload),
      ['backlog enqueue', 'backlog dispatch'],
    )
    const [, dispatch = {}] = all
    assertFigures(dispatch, ['executionsPerSecond', 'ratio', 'readySeconds', 'fillSeconds', 'emptyRssMiB'])
    assert.equal(dispatch.waiting, 2000)
    assert.equal(typeof dispatch.rssBeyondEmptyMiB, 'number')
  })

  test('recovery: open executions are finished, none is lost, no recorded step runs again', async () => {
    // On a busy machine all of them may have ended when the kill arrives.
    for (let attempt = 1, openAtKill = 0; openAtKill === 0; attempt++) {
      const [result = {}] = await results('recovery', '--in-flight', '20')
      assertFigures(result, [...COMMON, 'recoverySeconds'])
      assert.deepEqual([result.lost, result.rerunRecordedSteps], [0, 0])
      openAtKill = Number(result.openAtKill)
      assert.ok(openAtKill > 0 || attempt < 5, 'no kill found an open execution')
    }
  })

  test('picks: every load balancer and every policy', async () => {
    const all = await results('picks')
    assert.deepEqual(
      all.map(({ kind, name }) => `${kind} ${name}`),
      [...BALANCER_NAMES.map((name) => `balancer ${name}`), ...POLICY_NAMES.map((name) => `policy ${name}`)],
    )
    for (const result of all) {
      const isBalancer = result.kind === 'balancer'
      assert.deepEqual(result.sizes, isBalancer ? [4, 64, 1024] : [10, 1000, 1_000_000])
      assertFigures(
        result,
        (isBalancer ? ['pick', 'turn'] : ['turn']).flatMap((what) =>
          [0, 1, 2].map((i) => `nanoseconds.${what}.${i}`),
        ),
      )
    }
    // The cast: these are its rows.
    const table = picks.tableOf(all as unknown as Parameters<typeof picks.tableOf>[0])
    assert.match(table, /^\| balancer, ns \| pick, 4 \|/)
    assert.match(table, /^\| policy, ns \| turn, 10 \|/m)
    assert.equal(table.split('\n').length, BALANCER_NAMES.length + POLICY_NAMES.length + 5)
  })

  test('encryption: payloads of each size, keys, and steps with it and without', async () => {
    const [payloads, keys, steps] = (await results('encryption')).map(({ figures }) => ({ figures }))
    const sizes = [100, 4096, 65_536]
    const kinds = ['encode', 'encrypt', 'decrypt', 'decode', 'bytes']
    assertFigures(
      payloads ?? {},
      sizes.flatMap((bytes) => kinds.map((kind) => `figures.${kind} ${bytes}`)),
    )
    assertFigures(keys ?? {}, ['figures.wrap', 'figures.unwrap', 'figures.first payload of an execution'])
    assertFigures(steps ?? {}, ['figures.on', 'figures.off'])
  })

  test('rest: starts beside a bare route, what connections cost, and what bad requests do', async () => {
    const [starts, connected, bad] = await results('rest', '--in-flight', '8')
    assertFigures(
      starts ?? {},
      ['starts/s', 'p99, ms', 'bare, requests/s', 'ratio'].map((name) => `figures.${name}`),
    )
    assertFigures(connected ?? {}, ['figures.idle, MiB'])
    assertFigures(
      bad ?? {},
      ['p99 of others alone, ms', 'times as long'].map((name) => `figures.${name}`),
    )
  })

  test('plans: every read and the batches, and a day that is dropped', async () => {
    const all = await results('plans', '--executions', '6000')
    assert.ok(all.length > 30)
    for (const result of all) assertFigures(result, ['milliseconds'])
    const [first] = all
    assert.equal(first?.what, 'start: newest run of 100 ids')
    assert.match(String(all.at(-1)?.what), /a day is dropped/)
    const loading = all.find(({ what }) => what === 'load: journal of a run')
    assert.deepEqual([loading?.indexes, loading?.rows], [['journal_pkey'], 2])
  })

  test('balance: the same table each time, the one of the docs', async () => {
    const { code, output } = await bench('balance')
    assert.equal(code, 0)
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'load-balancing.md'), 'utf8')
    assert.ok(page.includes(output.trimEnd()), output)
  })

  test('a table for people', async () => {
    const { code, output } = await bench('steps', '--quick', '--in-flight', '1', '--executions', '20')
    assert.equal(code, 0)
    assert.match(output, /^workload +store +in flight/)
    assert.match(output, /^steps +sqlite +1 +engine/m)
  })

  test('help names every workload', async () => {
    const { code, output } = await bench('--help')
    assert.equal(code, 0)
    for (const name of [
      'steps',
      'fanout',
      'history',
      'sleepers',
      'recovery',
      'queue',
      'backlog',
      'workflow-tasks',
      'picks',
      'encryption',
      'access',
      'rest',
      'balance',
      'plans',
      'all',
    ])
      assert.match(output, new RegExp(`^  ${name} `, 'm'))
  })

  for (const args of [
    ['walk'],
    [],
    ['steps', '--in-flight', '0'],
    ['recovery', '--store', 'memory'],
    ['picks', '--store', 'memory'],
    ['steps', '-x'],
  ]) {
    test(`what cannot be measured is refused: ${args.join(' ') || 'nothing'}`, async () => {
      const { code, errors } = await bench(...args)
      assert.equal(code, 2)
      assert.match(errors, /--help/)
    })
  }
})
