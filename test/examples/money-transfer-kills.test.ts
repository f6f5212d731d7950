// Money transfers under SIGKILL: real processes on real files, killed 200 times at random while money moves. At the end
// no cent is missing, and each transfer is done or compensated.
//
// Two banks are used side by side, each with its own line of processes.

import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Bank } from '../../examples/money-transfer/bank.ts'
import { bundledProgram } from '../bundled-program.ts'
import { accounts } from './transfer-accounts.ts'

const banks = 2
const killsPerBank = 100
/** A kill comes at a random time in this span, counted from the start of the engine or from when it runs. */
const killWithinMs = 60

const program = bundledProgram(join(import.meta.dirname, 'transfer-process.ts'))
const processes = new Set<ChildProcess>()
after(() => {
  for (const child of processes) child.kill('SIGKILL')
})

function launch(folder: string): ChildProcess {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') }
  const execArgv = ['--disable-warning=ExperimentalWarning']
  const child = fork(program, [folder], { execArgv, env })
  processes.add(child)
  child.once('exit', () => processes.delete(child))
  return child
}

/** The next message; an error if the process ends before. */
async function said(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController()
  const options = { signal: ended.signal }
  try {
    return await Promise.race([
      once(child, 'message', options).then(([message]) => message as unknown),
      once(child, 'exit', options).then(([code, signal]) =>
        assert.fail(`the process ended: ${code ?? signal}`),
      ),
    ])
  } finally {
    ended.abort()
  }
}

/** Executions that the killed engine left open, read from its file by nobody's code but SQLite's. */
function openTransfers(folder: string): number {
  using database = new DatabaseSync(join(folder, 'transfers.db'), { readOnly: true })
  const sql = "select count(*) as open from execution where status = 'running'"
  return Number(database.prepare(sql).get()?.open)
}

/** Lets a loaded process finish what is in flight; answers how many transfers ended how. */
async function runToTheEnd(child: ChildProcess): Promise<Record<string, number>> {
  child.send('go')
  assert.equal(await said(child), 'running')
  const report = said(child)
  child.send('finish')
  const { ended } = (await report) as { ended: Record<string, number> }
  if (child.exitCode === null) await once(child, 'exit')
  assert.equal(child.exitCode, 0)
  return ended
}

async function killAgainAndAgain(folder: string): Promise<{ hits: number; ended: Record<string, number> }> {
  // A process that ends by itself keeps its compiled code for the next ones: they load in a third of the time.
  const first = launch(folder)
  assert.equal(await said(first), 'loaded')
  await runToTheEnd(first)

  let hits = 0
  let next = launch(folder)
  assert.equal(await said(next), 'loaded')
  for (let kill = 0; kill < killsPerBank; kill++) {
    const current = next
    next = launch(folder)
    const loaded = said(next)
    const running = said(current)
    current.send('go')
    if (kill % 2 === 0) await running
    else running.catch(() => {})
    // From the first kill on there are always transfers that a process has left behind.
    while (kill === 0 && openTransfers(folder) === 0) await pause(5)
    await pause(Math.random() * killWithinMs)
    current.kill('SIGKILL')
    if (current.exitCode === null && current.signalCode === null) await once(current, 'exit')
    assert.equal(current.signalCode, 'SIGKILL')
    if (openTransfers(folder) > 0) hits += 1
    assert.equal(await loaded, 'loaded')
  }
  const ended = await runToTheEnd(next)
  return { hits, ended }
}

test(`${banks * killsPerBank} SIGKILLs during money transfers lose no cent`, async (t) => {
  const runs = Array.from({ length: banks }, async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-kills-'))
    using bank = new Bank(join(folder.path, 'bank.db'))
    for (const { name, balanceCents, isOpen } of accounts) bank.openAccount(name, balanceCents, isOpen)
    const before = bank.balance()

    const { hits, ended } = await killAgainAndAgain(folder.path)

    const { done = 0, compensated = 0, ...other } = ended
    assert.equal(bank.balance(), before, 'the sum of all balances')
    assert.deepEqual(other, {}, 'no transfer ends in any other way')
    assert.equal(
      bank.entries,
      2 * (done + compensated),
      'each transfer moved money twice: out and in, or out and back',
    )
    assert.ok(done > 0 && compensated > 0, `${done} done, ${compensated} compensated`)
    assert.ok(hits >= 0.9 * killsPerBank, `${hits} of ${killsPerBank} kills hit transfers in flight`)
    t.diagnostic(`${hits} kills hit transfers in flight; ${done} transfers done, ${compensated} compensated`)
  })
  await Promise.all(runs)
})
