/** Who calls, and for what: it goes along with a call, also from node to node. */
import type { Caller } from './caller.ts'
import { list, object, oneOf, optional, text } from './shapes.ts'

/** What is known of a call where it comes in. */
export interface CallContext {
  readonly caller: Pick<Caller, 'id' | 'kind' | 'name' | 'address'>
  /** Such as `SignalExecution`. */
  readonly action: string
  /** Empty: it is about no namespace. */
  readonly namespace: string
  readonly resource: { readonly type: string; readonly id: string }
  /** Policies that have permitted it; absent: none was asked. */
  readonly policies?: readonly string[]
  readonly requestId: string
  /** Who acts on a human task, as the caller says. */
  readonly actor?: string
}

const any = text(8192)

export const callContextShape = object({
  caller: object({
    id: any,
    kind: oneOf('embedded', 'open', 'api-key', 'token', 'certificate'),
    name: optional(any),
    address: optional(any),
  }),
  action: any,
  namespace: any,
  resource: object({ type: any, id: any }),
  policies: optional(list(any, 1000)),
  requestId: any,
  actor: optional(any),
})
