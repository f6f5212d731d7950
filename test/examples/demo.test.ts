// The demo, as `npm run demo` starts it: real processes, real files, a real kill. And its own checks: they can fail.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempDisposableSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import type { Report } from '../../examples/upload/upload-report.ts'

const demo = join(dirname(dirname(import.meta.dirname)), 'examples', 'upload', 'demo.ts')

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** What is left in the temporary directory. */
  readonly left: readonly string[]
}

interface RunOptions {
  readonly damage?: string
  /** Sends SIGINT when the demo has written a line that matches. */
  readonly interruptAt?: RegExp
}

async function runDemo(args: readonly string[], { damage, interruptAt }: RunOptions = {}): Promise<Outcome> {
  using temporary = mkdtempDisposableSync(join(tmpdir(), 'perdure-demo-test-'))
  // PostgreSQL is another user than root, and has to get in.
  chmodSync(temporary.path, 0o755)
  const env = { ...process.env, TMPDIR: temporary.path, TEMP: temporary.path, TMP: temporary.path }
  if (damage !== undefined) Object.assign(env, { PERDURE_DEMO_DAMAGE: damage })
  const child = spawn(process.execPath, [demo, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    let written = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      const before = written
      written += chunk
      if (interruptAt?.test(written) === true && !interruptAt.test(before)) child.kill('SIGINT')
    })
    const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')])
    // The programs of PostgreSQL stay, for the next time.
    const left = readdirSync(temporary.path).filter((name) => /^perdure-(?!postgres-)/.test(name))
    return { code: child.exitCode, stdout, stderr: written, left }
  } finally {
    child.kill('SIGKILL')
  }
}

type JsonReport = Report & { readonly faults: readonly string[] }

async function runForReport(args: readonly string[], options?: RunOptions) {
  const { code, stdout, stderr, left } = await runDemo(['--json', ...args], options)
  assert.deepEqual(left, [], 'temporary files')
  assert.notEqual(stdout, '', stderr)
  return { code, report: JSON.parse(stdout) as JsonReport }
}

/** Three files, one of them in mid-file for some time. */
function fewFiles(folder: string): string {
  mkdirSync(join(folder, 'a folder'))
  writeFileSync(join(folder, 'a folder', 'ä #?%.txt'), 'some text')
  writeFileSync(join(folder, 'empty'), '')
  writeFileSync(join(folder, 'large.bin'), Buffer.alloc(3_000_001, 'perdure'))
  return folder
}

const newFolder = () => mkdtempDisposableSync(join(tmpdir(), 'perdure-demo-files-'))

describe('the demo', () => {
  test('uploads more than 1,000 parts with four workers through two kills, and keeps what is promised', async () => {
    const { code, report } = await runForReport(['--policy', 'sjf', '--balancer', 'consistent-hash'])
    assert.deepEqual(report.faults, [])
    assert.equal(code, 0)
    assert.ok(report.files >= 100, `${report.files} files`)
    assert.ok(report.parts >= 1000, `${report.parts} parts`)
    assert.deepEqual([report.policy, report.balancer], ['sjf', 'consistent-hash'])
    assert.match(report.workerKilled ?? '', /^worker-[1-4]$/)
    assert.ok(report.tasksOnKilledWorker >= report.tasksTakenOver)
    assert.equal(report.enginesKilled, 1)
    assert.ok(report.midFileAtKill >= 20, `${report.midFileAtKill} uploads in mid-file`)
    assert.ok(
      report.partsRecordedAtKill * 3 >= report.parts,
      `${report.partsRecordedAtKill} recorded at the kill`,
    )
    assert.ok(report.partsRecordedAtKill < report.parts)
    assert.ok(
      report.answered503 > 0 && report.connectionsDropped > 0 && report.retries > 0,
      'the store did fail',
    )
    assert.ok(report.puts >= report.parts + report.answered503 + report.connectionsDropped)
    assert.equal(report.partsPutAgainAfterRecorded, 0)
    assert.equal(report.recordedPartsLost, 0)
    assert.equal(report.filesThatDiffer, 0)
    assert.equal(report.uploadsFailed, 0)

    const tasks = report.parts + 3 * report.files
    assert.deepEqual(
      report.workers.map(({ worker }) => worker),
      ['worker-1', 'worker-2', 'worker-3', 'worker-4', 'all'],
    )
    for (const { worker, ...share } of report.workers) {
      assert.ok(share.tasks > 0 && share.share > 0, `${worker} has done something`)
      assert.ok(share.waitMeanMs > 0 && share.waitP95Ms > 0, `tasks of ${worker} have waited`)
    }
    assert.equal(report.workers.at(-1)?.tasks, tasks)
    assert.equal(report.workers.at(-1)?.retries, report.retries)
    const killed = report.workers.find(({ worker }) => worker === report.workerKilled)
    assert.ok((killed?.tasks ?? tasks) < tasks / 2, 'it was killed half way')
  })

  test('cleans up after Ctrl-C', async () => {
    const { code, stderr, left } = await runDemo([], { interruptAt: /Which task is next/ })
    assert.equal(code, 130, stderr)
    assert.deepEqual(left, [])
    const pids = [...stderr.matchAll(/\(process (\d+)\)/g)].map(([, pid]) => Number(pid))
    assert.equal(pids.length, 6, 'object store, engine and four workers')
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })

  test('names its options and the strategies', async () => {
    const { code, stdout } = await runDemo(['--help'])
    assert.equal(code, 0)
    assert.match(stdout, /--policy NAME [\s\S]*fcfs, sjf, priority, round-robin/)
    assert.match(stdout, /--balancer NAME [\s\S]*random, .*, power-of-two, .*, consistent-hash/)
  })

  test('says what is wrong with its arguments', async () => {
    using folder = newFolder()
    const cases: [args: string[], message: RegExp][] = [
      [[join(folder.path, 'missing')], /there is no directory .*missing/],
      [[demo], /demo\.ts is not a directory/],
      [[folder.path], /there are no files in/],
      [['--sede', '1'], /Unknown option '--sede'/],
      [['--seed', 'x'], /--seed x is not a whole number/],
      [['--policy', 'lifo'], /there is no policy "lifo": give one of fcfs, sjf, priority, round-robin\n/],
      [['--balancer', 'fcfs'], /there is no balancer "fcfs": give one of random, .*, consistent-hash\n/],
      [['one', 'two'], /give one directory, or none/],
    ]
    const outcomes = await Promise.all(cases.map(([args]) => runDemo(args)))
    for (const [number, [, message]] of cases.entries()) {
      assert.equal(outcomes[number]?.code, 2)
      assert.match(outcomes[number]?.stderr ?? '', message)
      assert.doesNotMatch(outcomes[number]?.stderr ?? '', /\n {4}at /, 'no stack')
      assert.deepEqual(outcomes[number]?.left, [])
    }
  })
})

describe('the demo on three nodes', () => {
  test('kills a worker and a node, and keeps what is promised', async () => {
    using folder = newFolder()
    for (let file = 0; file < 6; file++)
      writeFileSync(join(folder.path, `${file}.bin`), Buffer.alloc(3_000_001, `perdure ${file}`))
    const { code, report } = await runForReport(['--cluster', '--policy', 'sjf', folder.path])
    assert.deepEqual(report.faults, [])
    assert.equal(code, 0)
    const { cluster } = report
    assert.ok(cluster !== null)
    assert.deepEqual(
      cluster.nodes.map(({ node }) => node),
      ['node-1', 'node-2', 'node-3'],
    )
    assert.ok(cluster.shardsOfKilledNode >= 85, `${cluster.shardsOfKilledNode} shards`)
    for (const { node, ...line } of cluster.nodes) {
      assert.ok(line.shardsBefore >= 85, `${node} had its share`)
      if (node === cluster.nodeKilled) assert.deepEqual([line.shardsAfter, line.uploadsAfter], [0, 0])
      else assert.equal(line.shardsAfter, 128)
    }
    assert.equal(
      cluster.nodes.reduce((sum, { uploadsAfter }) => sum + uploadsAfter, 0),
      report.files,
    )
    assert.ok(cluster.takenOverMs > 0 && cluster.firstMs > 0)
  })

  test('ends PostgreSQL and all else after Ctrl-C', async () => {
    using folder = newFolder()
    const { code, stderr, left } = await runDemo(['--cluster', fewFiles(folder.path)], {
      interruptAt: /A client starts/,
    })
    assert.equal(code, 130, stderr)
    assert.deepEqual(left, [])
    const pids = [...stderr.matchAll(/\(process (\d+)\)/g)].map(([, pid]) => Number(pid))
    assert.equal(pids.length, 10, 'object store, PostgreSQL, three nodes, four workers and a client')
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })
})

describe('the demo with a directory of few files', { concurrency: true }, () => {
  test('kills what there is when a directory has few large files', async () => {
    using folder = newFolder()
    const { code, stdout, stderr } = await runDemo([fewFiles(folder.path)])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^files +3$/m)
    assert.match(stdout, /^parts +14$/m)
    assert.match(stdout, /fewer than 20 files of 8 parts or more: the (kill of the engine hit|uploads ended)/)
    assert.match(stdout, /^worker-4( \(killed\))? +\d+ +\d+\.\d % +\d+ +\d+ +\d+$/m)
    assert.match(stdout, /All is as promised/)
  })

  test('finds a stored byte that was changed after the upload had been verified', async () => {
    using folder = newFolder()
    const { code, report } = await runForReport([fewFiles(folder.path)], { damage: 'after-read' })
    assert.equal(code, 1)
    assert.equal(report.filesThatDiffer, 1)
    assert.equal(report.uploadsFailed, 0)
  })

  test('its workflow finds a stored byte that was changed before', async () => {
    using folder = newFolder()
    const { code, report } = await runForReport([fewFiles(folder.path)], { damage: 'when-complete' })
    assert.equal(code, 1)
    assert.equal(report.filesThatDiffer, 1)
    assert.equal(report.uploadsFailed, 1)
  })
})
