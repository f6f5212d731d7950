/**
 * Decisions on what workflow code asks for.
 *
 * Code is replayed, so each command may come again after a restart: a command for an operation that the state knows
 * already changes nothing.
 */
import type { ExecutionStarted } from '../../protocol/event.ts'
import { platformFailure } from '../../protocol/failure.ts'
import type { Message } from '../../protocol/message.ts'
import { traceField } from '../../protocol/trace-context.ts'
import type {
  ChildCommand,
  HumanCommand,
  TaskCommand,
  WorkflowCommand,
} from '../../protocol/workflow-command.ts'
import { closing, withdrawal } from './closing.ts'
import { type Circumstances, type Decision, decided, type Effect, NOTHING } from './decision.ts'
import { endHuman } from './human/human-end.ts'
import { nextHumanTime, openedHuman } from './human/human-state.ts'
import { type ExecutionState, parentLink, type QueuedSignal } from './state.ts'

type CommandOf<K extends WorkflowCommand['kind']> = Extract<WorkflowCommand, { kind: K }>

export function decideWorkflowCommand(
  state: ExecutionState,
  command: WorkflowCommand,
  circumstances: Circumstances,
): Decision {
  const at = circumstances.now
  switch (command.kind) {
    case 'step':
      return decideStep(state, command, at)
    case 'sleep':
      return decideSleep(state, command, at)
    case 'wait':
      return decideWait(state, command, at)
    case 'child':
      return decideChild(state, command, circumstances)
    case 'task':
      return decideTask(state, command, at)
    case 'human':
      return decideHumanTask(state, command, at)
    case 'drop':
      return decideDrop(state, command.op, at)
    case 'cancel-child':
    case 'signal-child':
      return decideToChild(state, command, at)
    case 'consume':
      return state.signals?.has(command.seq) === true
        ? decided([], [], [{ type: 'signal-consumed', seq: command.seq }])
        : NOTHING
    case 'attributes':
      return decided([{ type: 'attributes-set', op: command.op, values: command.values, at }])
    case 'patch':
      return decided([{ type: 'patch-marked', id: command.id, at }])
    case 'update-result':
      return decideUpdateResult(state, command, at)
    case 'complete':
      return closing(state, { type: 'execution-completed', result: command.result, at })
    case 'fail': {
      const { kind: _, ...rest } = command
      return closing(state, { type: 'execution-failed', ...rest, at })
    }
    case 'cancelled':
      return closing(state, { type: 'execution-cancelled', reason: command.reason, at })
    case 'continue':
      return decideContinue(state, command, at)
  }
}

function decideStep(state: ExecutionState, command: CommandOf<'step'>, at: number): Decision {
  const { op, name, retry } = command
  const known = state.ops.get(op)
  if (known === undefined) {
    return decided(
      [],
      [{ kind: 'run-step', op, attempt: 1 }],
      [{ type: 'step-issued', op, name, retry, running: true }],
    )
  }
  if (known.kind !== 'step' || known.issued) return NOTHING
  // Attempts failed before a restart: the next one waits for its time, which its timer in the store keeps.
  const running = known.retryAt <= at
  const issued = { type: 'step-issued' as const, op, name, retry, running }
  if (!running) return decided([], [], [issued])
  return decided(
    [],
    [
      { kind: 'drop-timer', timer: op },
      { kind: 'run-step', op, attempt: known.attempt + 1 },
    ],
    [issued],
  )
}

function decideSleep(state: ExecutionState, command: CommandOf<'sleep'>, at: number): Decision {
  const { op } = command
  if (state.ops.has(op)) return NOTHING
  const dueAt = command.untilMs ?? at + (command.delayMs ?? 0)
  return decided(
    [{ type: 'timer-started', op, name: 'sleep', kind: 'sleep', dueAt, at }],
    [{ kind: 'arm-timer', timer: op, dueAt }],
  )
}

function decideWait(state: ExecutionState, command: CommandOf<'wait'>, at: number): Decision {
  const { op, signal } = command
  if (state.ops.has(op)) return NOTHING
  const dueAt = at + command.timeoutMs
  return decided(
    [{ type: 'timer-started', op, name: signal, kind: 'wait', dueAt, at }],
    [{ kind: 'arm-timer', timer: op, dueAt }],
  )
}

function decideTask(state: ExecutionState, command: TaskCommand, at: number): Decision {
  const { op, name, queue, input, task, partition = 0 } = command
  if (state.ops.has(op)) return NOTHING
  if (task === undefined) throw new Error('invariant: a task command carries the number of the task')
  const part = partition === 0 ? {} : { partition }
  return decided(
    [{ type: 'task-scheduled', op, name, queue, ...part, task, input, at }],
    [{ kind: 'schedule-task', command: { ...command, task } }],
  )
}

function decideHumanTask(state: ExecutionState, { op, name, spec }: HumanCommand, at: number): Decision {
  if (state.ops.has(op)) return NOTHING
  const opened = { type: 'human-task-opened' as const, op, name, spec, at }
  const dueAt = nextHumanTime(openedHuman(opened))
  const shown: Effect = { kind: 'show-human-task', op }
  return decided([opened], dueAt === undefined ? [shown] : [shown, { kind: 'arm-timer', timer: op, dueAt }])
}

function decideDrop(state: ExecutionState, op: number, at: number): Decision {
  const pending = state.ops.get(op)
  if (pending === undefined || pending.kind === 'child') return NOTHING
  if (pending.kind === 'human') return endHuman(pending, op, { outcome: 'cancelled', at })
  if (pending.kind === 'task') return decided([], [withdrawal(state, pending)], [{ type: 'op-dropped', op }])
  const effect: Effect =
    pending.kind === 'step' && pending.running
      ? { kind: 'abort-step', op }
      : { kind: 'drop-timer', timer: op }
  return decided([], [effect], [{ type: 'op-dropped', op }])
}

function decideChild(
  state: ExecutionState,
  command: ChildCommand,
  { now: at, limits }: Circumstances,
): Decision {
  const { op, workflow, version, input, closePolicy, timeoutMs } = command
  if (state.ops.has(op)) return NOTHING
  const depth = state.depth + 1
  if (depth > limits.childDepth) {
    const failure = platformFailure(
      'CHILDREN_TOO_DEEP',
      `child ${workflow} would be nested ${depth} deep, the limit is ${limits.childDepth}`,
    )
    return decided([{ type: 'child-failed', op, failure, at }])
  }
  const runId = command.newRunId
  if (runId === undefined) throw new Error('invariant: a child command carries the run id of the child')
  const key = {
    namespace: state.key.namespace,
    workflowId: command.workflowId ?? `${state.key.workflowId}/${op}`,
  }
  const timeout = timeoutMs === undefined ? {} : { timeoutMs, deadlineAt: at + timeoutMs }
  const parent = parentLink(state, op)
  const started: Omit<ExecutionStarted, 'at' | 'type'> = {
    key,
    workflow,
    version,
    input,
    parent,
    depth,
    ...timeout,
    ...(state.client === undefined ? {} : { client: state.client }),
    ...traceField(state.trace),
  }
  return decided(
    [
      {
        type: 'child-started',
        op,
        name: workflow,
        version,
        key,
        runId,
        closePolicy,
        input,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        at,
      },
    ],
    [{ kind: 'send', message: { kind: 'start-child', to: key, runId, started } }],
  )
}

function decideToChild(
  state: ExecutionState,
  command: CommandOf<'cancel-child'> | CommandOf<'signal-child'>,
  at: number,
): Decision {
  if (command.kind === 'cancel-child') {
    const child = state.ops.get(command.op)
    if (child?.kind !== 'child') return NOTHING
    const { op, reason } = command
    const message: Message = { kind: 'cancel', to: child.key, parent: parentLink(state, op), reason }
    return decided([], [{ kind: 'send', message }])
  }
  const { op, childOp, signal: name, payload } = command
  const child = state.ops.get(childOp)
  const event = { type: 'child-signalled' as const, op, name, childOp, at }
  if (child?.kind !== 'child') return decided([event])
  const parent = parentLink(state, childOp)
  const requestId = `${state.runId}/${op}`
  const message: Message = { kind: 'signal', to: child.key, parent, name, payload, requestId }
  return decided([event], [{ kind: 'send', message }])
}

function decideUpdateResult(
  state: ExecutionState,
  command: CommandOf<'update-result'>,
  at: number,
): Decision {
  if (state.updates?.get(command.updateId) !== null) return NOTHING
  const { kind: _, ...rest } = command
  return decided([{ type: 'update-completed', ...rest, at }])
}

function decideContinue(state: ExecutionState, command: CommandOf<'continue'>, at: number): Decision {
  const { newRunId, input } = command
  if (newRunId === undefined)
    throw new Error('invariant: a continue command carries the run id of the next run')
  const closed = closing(state, { type: 'execution-continued', newRunId, input, at })
  const { key, workflow, version, timeoutMs, deadlineAt, parent, depth, attributes, cancelReason } = state
  const signals: QueuedSignal[] = state.signals === undefined ? [] : [...state.signals.values()]
  const started: Omit<ExecutionStarted, 'at' | 'type'> = {
    key,
    workflow,
    version,
    input,
    depth,
    continuedFrom: state.runId,
    ...(parent === undefined ? {} : { parent }),
    // The time limit is that of all runs together.
    ...(timeoutMs === undefined ? {} : { timeoutMs, deadlineAt: deadlineAt ?? at + timeoutMs }),
    ...(attributes === null ? {} : { attributes }),
    ...(state.client === undefined ? {} : { client: state.client }),
    // A repeat of the start is told of the first run.
    ...(state.mark === undefined ? {} : { mark: { runId: state.runId, ...state.mark } }),
    ...traceField(state.trace),
  }
  const byParent = state.isCancelledByParent === true ? { isCancelledByParent: true as const } : {}
  const cancel = cancelReason === undefined ? {} : { cancelReason, ...byParent }
  return decided(closed.events, [
    ...closed.effects,
    { kind: 'continue', newRunId, started, signals, ...cancel },
  ])
}
