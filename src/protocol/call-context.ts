/** Who calls, and for what: it goes along with a call, also from node to node. */
import type { Caller, CallerKind } from './caller.ts'
import { asIs, list, object, optional, type Shape, text } from './shapes.ts'

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

/** Nodes trust each other, and a longer text is no reason to cut their connection. */
const anyText = text(Number.POSITIVE_INFINITY)
/** Later versions may have more kinds: they are written down as they are. */
const kind: Shape<CallerKind> = asIs(anyText)

export const callContextShape = object({
  caller: object({
    id: anyText,
    kind,
    name: optional(anyText),
    address: optional(anyText),
  }),
  action: anyText,
  namespace: anyText,
  resource: object({ type: anyText, id: anyText }),
  policies: optional(list(anyText)),
  requestId: anyText,
  actor: optional(anyText),
})
