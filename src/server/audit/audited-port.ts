/**
 * The engine's port in the name of one caller, with its calls recorded: what changes something has a row in the commit of the
 * change, and what changed nothing or failed has one soon after.
 */
import type { AuditDesk } from '../../engine/audit/audit-desk.ts'
import { TrackedCall, withCall } from '../../platform/call-context.ts'
import type { CallContext } from '../../protocol/call-context.ts'
import type { Caller } from '../../protocol/caller.ts'
import { CLIENT_METHODS, type ClientMethod } from '../../protocol/client-messages.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import type { NodeMethod } from '../../protocol/node-messages.ts'
import { type AuditedMethod, auditedMethod, auditedNodeMethod } from './audited-methods.ts'

export interface AuditedCaller {
  /** Where nothing is recorded: undefined. */
  readonly audit: AuditDesk | undefined
  readonly caller: Caller
  readonly newRequestId: () => string
}

type Call = (...args: readonly unknown[]) => Promise<unknown>

/** The port itself if nothing is recorded. */
export function auditedPort(port: ClientPort, by: AuditedCaller): ClientPort {
  if (by.audit === undefined) return port
  const groups: Record<string, Record<string, Call>> = {
    '': {},
    tasks: {},
    schedules: {},
    queues: {},
    people: {},
    workers: {},
    nodes: {},
  }
  for (const method of Object.keys(CLIENT_METHODS) as ClientMethod[]) {
    const [group, name] = splitName(method)
    const on: unknown = group === '' ? port : Reflect.get(port, group)
    const call: unknown = Reflect.get(on as object, name)
    const calls = groups[group]
    if (typeof call !== 'function' || calls === undefined)
      throw new Error(`invariant: the port has no method ${method}`)
    const run: Call = (...args) => Reflect.apply(call, on, args) as Promise<unknown>
    calls[name] = (...args) => auditedCall(by, { method, args }, () => run(...args))
  }
  const { '': own, ...others } = groups
  // The one cast: the table of methods is that of the port.
  return { ...own, ...others, newRequestId: () => port.newRequestId() } as unknown as ClientPort
}

/**
 * Runs one call of the port. For whoever has decided whether it is permitted: `policies` are those that permit it.
 *
 * @param call `requestId`: that of whoever has taken it in. Default: a new one
 */
export function auditedCall<T>(
  { audit, caller, newRequestId }: AuditedCaller,
  call: {
    readonly method: ClientMethod
    readonly args: readonly unknown[]
    readonly policies?: readonly string[]
    readonly requestId?: string
  },
  run: () => Promise<T>,
): Promise<T> {
  const audited = audit === undefined ? undefined : auditedMethod(call.method)
  if (audit === undefined || audited === undefined) return run()
  const { args, policies, requestId = newRequestId() } = call
  const context: CallContext = {
    caller: whoOf(caller),
    action: audited.action,
    ...audited.about(args),
    ...(policies === undefined ? {} : { policies }),
    requestId,
  }
  return recorded(audit, { call: new TrackedCall(context), audited, run })
}

/** A call that is not on the client's port, such as a change of an API key: what it changes is recorded in its name. */
export function administered<T>(
  { audit, caller, newRequestId }: AuditedCaller,
  call: Pick<CallContext, 'action' | 'namespace' | 'resource' | 'policies'> & { readonly requestId?: string },
  run: () => Promise<T>,
): Promise<T> {
  if (audit === undefined) return run()
  const context = { ...call, caller: whoOf(caller), requestId: call.requestId ?? newRequestId() }
  return recorded(audit, { call: new TrackedCall(context), run })
}

/** Runs it, and records what came of it unless a change of it is recorded by then. */
export async function recorded<T>(
  audit: AuditDesk,
  {
    call,
    audited = {},
    run,
    isAskedAgain = () => false,
  }: {
    readonly call: TrackedCall
    readonly audited?: Pick<AuditedMethod, 'isOutside'>
    readonly run: () => Promise<T>
    /** Whoever gets this error asks another one. */
    readonly isAskedAgain?: (error: unknown) => boolean
  },
): Promise<T> {
  try {
    const answer = await withCall(call, run)
    if (audited.isOutside === true) audit.didElsewhere(call)
    else audit.succeeded(call)
    return answer
  } catch (error) {
    if (!isAskedAgain(error)) audit.failed(call, error)
    throw error
  } finally {
    call.end()
  }
}

/** What a row has of its caller. */
export function whoOf({ id, kind, name, address }: Caller): CallContext['caller'] {
  return {
    id,
    kind,
    ...(name === undefined ? {} : { name }),
    ...(address === undefined ? {} : { address }),
  }
}

function splitName(method: ClientMethod): readonly [group: string, name: string] {
  const [first = '', second] = method.split('.')
  return second === undefined ? ['', first] : [first, second]
}

/** A call that another node has handed on: recorded here, where what it is about is owned. */
export function handedOn(
  audit: AuditDesk | undefined,
  { method, by }: { readonly method: NodeMethod; readonly by?: CallContext },
  {
    run,
    onRecorded,
    isAskedAgain,
  }: {
    readonly run: () => Promise<unknown>
    readonly onRecorded: () => void
    readonly isAskedAgain: (error: unknown) => boolean
  },
): Promise<unknown> {
  const audited = audit === undefined || by === undefined ? undefined : auditedNodeMethod(method)
  if (audit === undefined || by === undefined || audited === undefined) return withCall(undefined, run)
  const call = new TrackedCall(by)
  const work = { call, audited, run, isAskedAgain }
  return recorded(audit, work).then(
    (answer) => {
      onRecorded()
      return answer
    },
    (error: unknown) => {
      if (call.isRecorded || !isAskedAgain(error)) onRecorded()
      throw error
    },
  )
}
