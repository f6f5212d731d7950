/**
 * What a crash may not change.
 *
 * 1. Whatever happened to the execution happens again in the same order, and code makes the same events.
 * 2. Where things happened only while the code waited, the whole journal is the same, event by event.
 * 3. Only times may differ, since they are inputs.
 */
import assert from 'node:assert/strict'
import { evolve, forgetIssued } from '../../src/core/execution/evolve.ts'
import { nextHumanTime } from '../../src/core/execution/human/human-state.ts'
import { type ExecutionState, emptyState } from '../../src/core/execution/state.ts'
import { DEADLINE_TIMER } from '../../src/core/execution/timer-ids.ts'
import type { Event } from '../../src/protocol/event.ts'
import { isClosed } from '../../src/protocol/execution-status.ts'
import { copyOfState } from './copy-of-state.ts'
import { KernelHarness } from './harness.ts'
import { applyInput, isInput } from './inputs.ts'
import type { Mode } from './random-run.ts'

/** Dies after `crashSeq` events of the run, goes on from there, and must end in the same way. */
export async function crashAndFollow(
  reference: KernelHarness,
  crashSeq: number,
  mode: Mode,
): Promise<KernelHarness> {
  const recovered = KernelHarness.recover(reference.workflow, reference.journal.slice(0, crashSeq))
  if (mode === 'quiet') await followExactly(recovered, reference)
  else await followInputs(recovered, reference)
  assert.equal(recovered.nondeterminism, undefined, 'unchanged code matches its history')
  assert.deepEqual(timeless(codeEvents(recovered)), timeless(codeEvents(reference)))
  assert.deepEqual(endOf(recovered.state), endOf(reference.state))
  assertJournalMakesState(recovered)
  assertShellMatchesState(recovered)
  return recovered
}

async function followExactly(recovered: KernelHarness, reference: KernelHarness): Promise<void> {
  const { journal } = recovered
  for (;;) {
    const next = reference.journal[journal.length]
    if (next === undefined) break
    const before = journal.length
    if (isInput(next) && applyInput(recovered, next)) continue
    if (!(await recovered.turn())) fail(next, recovered, reference)
    for (let i = before; i < journal.length; i++) {
      const expected = reference.journal[i]
      if (expected !== undefined && !sameEvent(journal[i], expected)) fail(expected, recovered, reference)
    }
  }
  await recovered.untilQuiet()
  assert.deepEqual(timeless(journal), timeless(reference.journal))
}

async function followInputs(recovered: KernelHarness, reference: KernelHarness): Promise<void> {
  const dropped = new Set<number>()
  for (const command of reference.commands) if (command.kind === 'drop') dropped.add(command.op)
  const crashSeq = recovered.journal.length
  for (const next of reference.journal.slice(crashSeq).filter(isInput)) {
    while (!applyInput(recovered, next)) {
      if (await recovered.turn()) continue
      // The same event came after the end of the code before the crash too, or was no longer waited for.
      if (recovered.isClosed || ('op' in next && next.op !== undefined && dropped.has(next.op))) break
      fail(next, recovered, reference)
    }
  }
  await recovered.untilQuiet()
  const made = codeEvents(recovered)
  for (const [i, expected] of codeEvents(reference).entries()) {
    if (!sameEvent(made[i], expected)) fail(expected, recovered, reference)
  }
}

function fail(expected: Event, recovered: KernelHarness, reference: KernelHarness): never {
  const { nondeterminism } = recovered
  const show = (journal: readonly Event[]): string =>
    journal.map((event, i) => `${i + 1} ${JSON.stringify(timelessEvent(event))}`).join('\n')
  throw new Error(
    `after a crash ${expected.type} does not come: ${nondeterminism?.message ?? 'the code waits'}\n` +
      `before:\n${show(reference.journal)}\nafter:\n${show(recovered.journal)}`,
  )
}

/** Without withdrawals of human tasks: whether a person was faster than the code differs, where they race. */
function codeEvents(harness: KernelHarness): Event[] {
  return harness.journal.filter((event) => !isInput(event) && event.type !== 'human-task-closed')
}

/** The state that the journal makes is the live state, but for what replay asks for again. */
export function assertJournalMakesState(harness: KernelHarness): void {
  const rebuilt = emptyState(harness.state.runId)
  for (const event of harness.journal) evolve(rebuilt, event)
  const live = copyOfState(harness.state)
  for (const op of harness.droppedOps) rebuilt.ops.delete(op)
  for (const seq of harness.consumedSignals) rebuilt.signals?.delete(seq)
  // The signals of a run that is replayed are known to be consumed only once its code has said so again.
  assert.deepEqual(durable(live), durable(rebuilt))
}

function durable(state: ExecutionState): unknown {
  forgetIssued(state)
  for (const pending of state.ops.values()) {
    if (pending.kind !== 'step') continue
    pending.retry = undefined
    pending.issued = false
  }
  const { ops, signals, ...rest } = state
  return JSON.parse(
    JSON.stringify({ ...rest, ops: sorted(ops), signals: [...(signals ?? [])], ...idsOf(state) }),
  )
}

function idsOf({ requestIds, updates }: ExecutionState): object {
  return { requestIds: [...(requestIds ?? [])], updates: [...(updates ?? [])] }
}

function endOf({ status, terminal, attributes }: ExecutionState): unknown {
  return { status, attributes, terminal: terminal === undefined ? null : timelessEvent(terminal) }
}

function sameEvent(a: Event | undefined, b: Event): boolean {
  return a !== undefined && JSON.stringify(timelessEvent(a)) === JSON.stringify(timelessEvent(b))
}

function timeless(events: readonly Event[]): unknown[] {
  return events.map(timelessEvent)
}

function timelessEvent(event: Event): unknown {
  const { at: _at, ...rest } = event
  const text = JSON.stringify(rest, (key, value: unknown) => {
    // Stacks name lines of the program's interpreter: the same code, but other frames above it.
    if (key === 'dueAt' || key === 'retryAt' || key === 'failedSeq' || key === 'stack') return undefined
    return value
  })
  return JSON.parse(text)
}

/** What the shell was told to arm and to run is what the state waits for: nothing is forgotten, nothing left behind. */
export function assertShellMatchesState({ state, timers, runningSteps }: KernelHarness): void {
  const armed = new Map<number, number>()
  const running = new Map<number, number>()
  if (!isClosed(state.status)) {
    if (state.deadlineAt !== undefined) armed.set(DEADLINE_TIMER, state.deadlineAt)
    for (const [op, pending] of state.ops) {
      if (pending.kind === 'sleep' || pending.kind === 'wait') armed.set(op, pending.dueAt)
      const humanAt = pending.kind === 'human' ? nextHumanTime(pending) : undefined
      if (humanAt !== undefined) armed.set(op, humanAt)
      if (pending.kind === 'step' && pending.running) running.set(op, pending.attempt)
      if (pending.kind === 'step' && !pending.running) armed.set(op, pending.retryAt)
    }
  }
  assert.deepEqual(sorted(timers), sorted(armed), 'timers of the store')
  assert.deepEqual(sorted(runningSteps), sorted(running), 'running steps')
  if (!isClosed(state.status)) assert.equal(state.runnableSteps, running.size)
}

function sorted<T>(entries: Iterable<readonly [number, T]>): (readonly [number, T])[] {
  return [...entries].sort(([a], [b]) => a - b)
}
