/** How the golden journals were made: one execution each, driven by hand. */
import { DEADLINE_TIMER } from '../../src/core/execution/timer-ids.ts'
import type { HumanAction } from '../../src/protocol/human-task.ts'
import type { TaskEnd } from '../../src/protocol/message.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { KernelHarness, runIdFor, START_MS } from '../kernel/harness.ts'
import { actAs } from '../kernel/human-inputs.ts'
import { closeChild, closeTask, endChildByParent, failStep, fireTimer } from '../kernel/inputs.ts'
import * as workflows from './workflows.ts'

const FAILURE = { kind: 'application' as const, name: 'Error', message: 'it did not work', code: 'E_NO' }

const AS_CHILD = {
  parent: { key: { namespace: 'default', workflowId: 'p' }, runId: runIdFor(77), op: 3 },
  depth: 1,
}

function taskDone(result: unknown, attempts: number): TaskEnd {
  return {
    status: 'completed',
    attempts,
    startedAt: START_MS + 5,
    servedMs: 12.25,
    result: encodePayload(result),
  }
}

type Scenario = () => Promise<KernelHarness>

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'order-completed': async () => {
    const order = await begun(workflows.fulfilOrder, { id: 'o-1' })
    failStep(order, 1, 1, FAILURE)
    fireTimer(order, 1)
    await later(order, () => order.completeStep(1, { paid: 12n }, 2))
    await later(order, () => order.signal('approved', { by: 'kim' }, 'request-1'))
    await later(order, () => order.completeStep(4, new Uint8Array([1, 2, 3])))
    await later(order, () => order.completeStep(3, new Date(0)))
    await later(order, () => fireTimer(order, 5))
    return order
  },
  'order-not-approved': async () => {
    const order = await begun(workflows.fulfilOrder, { id: 'o-2' })
    await later(order, () => order.completeStep(1, 'paid'))
    await later(order, () => fireTimer(order, 2))
    await later(order, () => order.completeStep(3, 'label'))
    return order
  },
  'order-failed': async () => {
    const parent = { key: { namespace: 'default', workflowId: 'parent' }, runId: runIdFor(77), op: 3 }
    const order = await begun(workflows.fulfilOrder, { id: 'o-3' }, { parent, depth: 1 })
    await later(order, () => failStep(order, 1, 1, { ...FAILURE, nonRetryable: true, cause: FAILURE }))
    return order
  },
  'order-terminated': async () => {
    const order = await begun(workflows.fulfilOrder, { id: 'o-4' }, { attributes: { region: 'south' } })
    await later(order, () => order.apply({ type: 'terminate', reason: 'a mistake' }))
    return order
  },
  'order-timed-out': async () => {
    const deadlineAt = START_MS + 60_000
    const order = await begun(workflows.fulfilOrder, { id: 'o-5' }, { timeoutMs: 60_000, deadlineAt })
    await later(order, () => order.completeStep(1, 'paid'))
    order.nowMs = deadlineAt
    order.apply({ type: 'timer-due', timer: DEADLINE_TIMER })
    return order
  },
  'signals-queued': async () => {
    const collecting = await begun(workflows.collect, 4)
    for (const item of [1, 2, 3]) collecting.signal('item', item)
    await later(collecting, () => collecting.signal('other', 'not waited for'))
    return collecting
  },
  'children-completed': async () => {
    const shipping = await begun(workflows.shipOrder)
    await later(shipping, () => closeChild(shipping, 1, { ok: true, result: encodePayload([7]) }))
    await later(shipping, () => closeChild(shipping, 3, { ok: true, result: encodePayload([1, 2]) }))
    return shipping
  },
  'child-failed': async () => {
    const shipping = await begun(workflows.shipOrder)
    await later(shipping, () => closeChild(shipping, 1, { ok: false, failure: FAILURE }))
    await later(shipping, () => shipping.completeStep(4))
    return shipping
  },
  'updates-answered': async () => {
    const open = await begun(workflows.account)
    for (const [i, amount] of [5, -1, 7].entries()) {
      const payload = encodePayload(amount)
      await later(open, () => open.apply({ type: 'update', updateId: `update-${i}`, name: 'add', payload }))
    }
    await later(open, () => open.completeStep(2))
    return open
  },
  'patched-and-attributes': async () => {
    const running = await begun(workflows.changed)
    await later(running, () => running.completeStep(2))
    return running
  },
  'booking-cancelled': async () => {
    const stay = await begun(workflows.booking)
    await later(stay, () => stay.completeStep(1))
    await later(stay, () => stay.apply({ type: 'cancel', reason: 'ill' }))
    await later(stay, () => stay.completeStep(3))
    return stay
  },
  'failed-and-retried': async () => {
    const running = await begun(workflows.fragile)
    await later(running, () => running.completeStep(1, 1))
    failStep(running, 2, 1, FAILURE)
    fireTimer(running, 2)
    await later(running, () => failStep(running, 2, 2, FAILURE))
    await later(running, () => running.retry())
    await later(running, () => running.completeStep(2, 2))
    return running
  },
  'child-withdrawn': async () => {
    const running = await begun(workflows.guarded)
    await later(running, () => failStep(running, 3, 1, { ...FAILURE, nonRetryable: true }))
    await later(running, () => running.retry())
    await later(running, () => endChildByParent(running, 1))
    await later(running, () => running.completeStep(3))
    await later(running, () => closeChild(running, 1, { ok: true, result: encodePayload([7]) }))
    return running
  },
  'tasks-completed': async () => {
    const running = await begun(workflows.upload, 'a.png')
    await later(running, () => closeTask(running, 1, taskDone('clean', 2)))
    await later(running, () => closeTask(running, 3, taskDone('600px', 1)))
    await later(running, () => running.completeStep(4))
    await later(running, () => closeTask(running, 2, taskDone('300px', 1)))
    return running
  },
  'task-failed-and-retried': async () => {
    const running = await begun(workflows.upload, 'b.png')
    await later(running, () => closeTask(running, 1, { status: 'failed', attempts: 5, failure: FAILURE }))
    await later(running, () => running.retry())
    await later(running, () => closeTask(running, 1, taskDone('clean', 1)))
    await later(running, () => closeTask(running, 2, { status: 'expired', attempts: 0, failure: FAILURE }))
    await later(running, () => running.retry())
    await later(running, () => closeTask(running, 2, taskDone('300px', 1)))
    await later(running, () => closeTask(running, 3, { status: 'cancelled', attempts: 1, failure: FAILURE }))
    return running
  },
  'child-terminated-by-parent': async () => {
    const child = await begun(workflows.collect, 2, AS_CHILD)
    await later(child, () => child.apply({ type: 'terminate', reason: 'parent p has closed', parentClosed: true }))
    return child
  },
  'child-cancelled-by-parent': async () => {
    const child = await begun(workflows.booking, undefined, AS_CHILD)
    await later(child, () => child.completeStep(1))
    await later(child, () => child.apply({ type: 'cancel', reason: 'parent p has closed', parentClosed: true }))
    await later(child, () => child.completeStep(3))
    return child
  },
  'parked-and-resumed': async () => {
    const running = await begun(workflows.fragile)
    await later(running, () => running.completeStep(1, 1))
    await later(running, () => running.parkForMissingCode())
    failStep(running, 2, 1, FAILURE)
    return running
  },
  'joined-branches': async () => {
    const running = await begun(workflows.fastest)
    await later(running, () => fireTimer(running, 2))
    await later(running, () => failStep(running, 4, 1, { ...FAILURE, nonRetryable: true }))
    await later(running, () => running.completeStep(3))
    await later(running, () => running.completeStep(6, 'd'))
    for (const op of [8, 7, 9]) await later(running, () => running.completeStep(op, op))
    return running
  },
  'pages-continued': async () => {
    const paging = await begun(workflows.pages, 1)
    await later(paging, () => paging.completeStep(1))
    await later(paging, () => paging.signal('item', 1, 'request-1'))
    return paging
  },
  'lottery-drawn': async () => {
    const drawing = KernelHarness.start(workflows.lottery, undefined, {
      started: { notBefore: START_MS + 500 },
    })
    drawing.nowMs = START_MS + 500
    drawing.replay()
    await drawing.untilQuiet()
    await later(drawing, () => drawing.completeStep(1))
    await later(drawing, () => drawing.completeStep(2))
    return drawing
  },
  'human-tasks-completed': async () => {
    const running = await begun(workflows.expense, 12.5)
    const act = (op: number, user: string, action: HumanAction) =>
      later(running, () => actAs(running, op, user, action, `${user}-${running.journal.length}`))
    await act(1, 'ann', { kind: 'claim' })
    await later(running, () => fireTimer(running, 1))
    await act(1, 'mia', { kind: 'claim' })
    await act(1, 'mia', { kind: 'delegate', to: 'gil', returns: true })
    await act(1, 'gil', { kind: 'complete', data: encodePayload({ amount: 12.5 }), comment: 'as it says' })
    await act(1, 'mia', { kind: 'complete' })
    await act(2, 'ann', { kind: 'add-approver', approver: { users: ['dan'], groups: [] }, place: 1 })
    await act(2, 'dan', { kind: 'approve' })
    await act(2, 'bob', { kind: 'approve' })
    await act(2, 'eve', { kind: 'claim' })
    await act(2, 'eve', { kind: 'send-back', to: 'dan', reason: 'which project?' })
    await act(2, 'dan', { kind: 'comment', text: 'the usual' })
    await act(2, 'dan', { kind: 'approve' })
    await act(2, 'dan', { kind: 'take-back' })
    await act(2, 'dan', { kind: 'hand-over', to: 'fay' })
    return running
  },
  'human-task-expired': async () => {
    const running = await begun(workflows.expense, 1)
    await later(running, () => actAs(running, 1, 'ann', { kind: 'reject', comment: 'no receipt' }, 'r'))
    await later(running, () => running.retry())
    await later(running, () => actAs(running, 1, 'ann', { kind: 'complete', data: encodePayload({}) }, 's'))
    await later(running, () => actAs(running, 2, 'ann', { kind: 'remove-approver', seat: 2 }, 't'))
    await later(running, () => fireTimer(running, 2))
    return running
  },
  'human-task-withdrawn': async () => {
    const running = await begun(workflows.reviewed)
    await later(running, () => actAs(running, 1, 'ann', { kind: 'comment', text: 'soon' }, 'r'))
    await later(running, () => fireTimer(running, 2))
    return running
  },
}

async function begun(
  workflow: Parameters<typeof KernelHarness.start>[0],
  input?: unknown,
  started = {},
): Promise<KernelHarness> {
  return KernelHarness.start(workflow, input, { started }).untilQuiet()
}

/** Something happens a second later, and the code goes on. */
async function later(harness: KernelHarness, happen: () => unknown): Promise<void> {
  harness.nowMs += 1000
  happen()
  await harness.untilQuiet()
}
