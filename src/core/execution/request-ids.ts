/** Ids of requests that an execution has taken. */
import type { Operation } from '../../protocol/event.ts'
import type { ExecutionState } from './state.ts'

export function rememberRequest(state: ExecutionState, requestId: string): void {
  state.requestIds ??= new Set()
  state.requestIds.add(requestId)
}

/** What a person asks for. The same id of another person, or about another task, is another request. */
export interface HumanRequest {
  readonly op: Operation
  readonly user: string
  readonly requestId: string
}

/** Ids of what people do are apart from those of signals. NUL is in no id. */
const textOf = ({ op, user, requestId }: HumanRequest): string => `human\0${op}\0${user}\0${requestId}`

export function hasHumanRequest({ requestIds }: ExecutionState, request: HumanRequest): boolean {
  return requestIds?.has(textOf(request)) === true
}

export function rememberHumanRequest(state: ExecutionState, request: HumanRequest): void {
  rememberRequest(state, textOf(request))
}
