/** Ids of requests that an execution has taken. */
import type { ExecutionState } from './state.ts'

export function rememberRequest(state: ExecutionState, requestId: string): void {
  state.requestIds ??= new Set()
  state.requestIds.add(requestId)
}
