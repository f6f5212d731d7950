/** Ids of requests that an execution has taken. */
import type { ExecutionState } from './state.ts'

export function rememberRequest(state: ExecutionState, requestId: string): void {
  state.requestIds ??= new Set()
  state.requestIds.add(requestId)
}

/** Ids of what people do are apart from those of signals. NUL is in no id. */
const HUMAN = 'human\0'

export function hasHumanRequest({ requestIds }: ExecutionState, requestId: string): boolean {
  return requestIds?.has(HUMAN + requestId) === true
}

export function rememberHumanRequest(state: ExecutionState, requestId: string): void {
  rememberRequest(state, HUMAN + requestId)
}
