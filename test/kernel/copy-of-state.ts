/** A deep copy of an execution's state: two copies of equal states are deeply equal. */
import type { ExecutionState } from '../../src/core/execution/state.ts'
import { OperationMap } from '../../src/protocol/operation-map.ts'

export function copyOfState({ ops, ...rest }: ExecutionState): ExecutionState {
  return { ...structuredClone(rest), ops: new OperationMap(structuredClone([...ops])) }
}
