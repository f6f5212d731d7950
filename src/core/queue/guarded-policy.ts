/**
 * A policy that somebody else has written: whatever it does, tasks have places, and the engine goes on.
 *
 * A task that it gives no place waits in the order of `order`, in the flow ''. A turn that it does not give is 0. What it
 * throws is told, the first time.
 */
import type { FlowOrder, Place, PolicyTask, SchedulingPolicy } from './policy.ts'

export function guardedPolicy(policy: SchedulingPolicy, onWrong: (error: unknown) => void): SchedulingPolicy {
  let isTold = false
  const told = (error: unknown): void => {
    if (isTold) return
    isTold = true
    onWrong(error)
  }
  const tried = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      told(error)
    }
  }
  const { name, flows, quantumMs } = policy
  return {
    name,
    place: (task) => placeOf(policy, task, told),
    served: (task, servedMs) => tried(() => policy.served?.(task, servedMs)),
    ...(quantumMs === undefined ? {} : { quantumMs }),
    ...(flows === undefined ? {} : { flows: guardedFlows(flows, { told, tried }) }),
  }
}

function placeOf(policy: SchedulingPolicy, task: PolicyTask, told: (error: unknown) => void): Place {
  try {
    const { flow, rank, chargeMs } = policy.place(task)
    if (typeof flow === 'string' && Number.isFinite(rank) && chargeMs >= 0) return { flow, rank, chargeMs }
    told(
      new RangeError(
        `policy ${policy.name} gave task ${task.name} the rank ${rank} in the flow '${flow}' for ${chargeMs} ms`,
      ),
    )
  } catch (error) {
    told(error)
  }
  return { flow: '', rank: task.order, chargeMs: 0 }
}

function guardedFlows(
  flows: FlowOrder,
  { told, tried }: { readonly told: (error: unknown) => void; readonly tried: (call: () => void) => void },
): FlowOrder {
  return {
    turn: (flow, chargeMs) => {
      try {
        const turn = flows.turn(flow, chargeMs)
        if (!Number.isNaN(turn)) return turn
        told(new RangeError(`the flow '${flow}' was given a turn that is no number`))
      } catch (error) {
        told(error)
      }
      return 0
    },
    charge: (flow, chargeMs) => tried(() => flows.charge(flow, chargeMs)),
    settle: (flow, chargeMs, servedMs) => tried(() => flows.settle(flow, chargeMs, servedMs)),
    emptied: (flow) => tried(() => flows.emptied(flow)),
  }
}
