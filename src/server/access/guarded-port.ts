/** The engine's port in the name of one caller: each call is checked before it does anything. */
import type { Caller } from '../../protocol/caller.ts'
import { CLIENT_METHODS, type ClientMethod } from '../../protocol/client-messages.ts'
import type { ClientPort, StartRequest } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Attributes } from '../../protocol/event.ts'
import type { ScheduledStart } from '../../protocol/schedule-port.ts'
import { type ArgsOf, type Check, CLIENT_ACTIONS, type ClientAction } from './client-actions.ts'
import type { Guard } from './guard.ts'
import { OWNER_ATTRIBUTE } from './resource.ts'
import * as resources from './resources.ts'

/** What a call uses up, beside being permitted. Each throws `RATE_LIMITED` or `QUOTA_EXCEEDED`. */
export interface CallLimits {
  /** Before anything is decided. */
  beginCall(caller: Caller): void
  /** When it was permitted, and before it is done. */
  admit(namespaces: ReadonlySet<string>, args: readonly unknown[]): Promise<void>
}

export interface GuardedPortsParts {
  readonly guard: Guard
  /** Of the engine. */
  readonly port: ClientPort
  readonly limits: CallLimits
  /** Records the call beside doing it. */
  readonly record: RecordCall
  /** A refusal is always told as one: whoever is told knows of the namespace anyway. Default: it looks as if nothing were there. */
  readonly isPlain?: boolean
}

export type RecordCall = <T>(
  caller: Caller,
  call: {
    readonly method: ClientMethod
    readonly args: readonly unknown[]
    readonly policies: readonly string[]
  },
  run: () => Promise<T>,
) => Promise<T>

type Call = (...args: readonly unknown[]) => Promise<unknown>
type CallOf = (caller: Caller, args: readonly unknown[]) => Promise<unknown>

interface PortMethod {
  readonly group: string
  readonly name: string
  readonly call: CallOf
}

/** Attributes of a call, beside the one that the engine adds. */
const ATTRIBUTES_MOST = 63

/** What all callers have in common is made once: a port is made for each that comes. */
export class GuardedPorts {
  readonly #newRequestId: () => string
  readonly #methods: readonly PortMethod[]
  readonly #groups: readonly string[]

  constructor(parts: GuardedPortsParts) {
    const { newRequestId } = parts.port
    this.#newRequestId = () => newRequestId.call(parts.port)
    this.#methods = (Object.keys(CLIENT_METHODS) as ClientMethod[]).map((method) => {
      const [group, name] = splitName(method)
      return { group, name, call: guarded(parts, method) }
    })
    this.#groups = [...new Set(this.#methods.map(({ group }) => group))]
  }

  of(caller: Caller): ClientPort {
    const groups = new Map<string, Record<string, Call>>(this.#groups.map((group) => [group, {}]))
    for (const { group, name, call } of this.#methods) {
      const on = groups.get(group)
      if (on === undefined) throw new Error(`invariant: there is no group of methods ${group}`)
      on[name] = (...args) => call(caller, args)
    }
    const { '': own, ...others } = Object.fromEntries(groups)
    // The one cast: the table of methods is that of the port.
    return { ...own, ...others, newRequestId: this.#newRequestId } as unknown as ClientPort
  }
}

function guarded(parts: GuardedPortsParts, method: ClientMethod): CallOf {
  const { guard, port, limits, record, isPlain = false } = parts
  const { checks, missing } = CLIENT_ACTIONS[method] as unknown as ClientAction<'start'>
  const call = callOf(port, method)
  return async (caller, args) => {
    limits.beginCall(caller)
    const given = args as unknown as ArgsOf<'start'>
    const asked = checks(given, caller)
    const policies = await guard.admit(caller, asked, () => missing(given), isPlain)
    await limits.admit(namespacesOf(asked), args)
    const changed = inNameOf(caller, method, args)
    const answer = await record(caller, { method, args: changed, policies }, () => call(...changed))
    return readableOnly(guard, caller, method, { args, answer })
  }
}

function namespacesOf(checks: readonly Check[]): ReadonlySet<string> {
  const namespaces = new Set<string>()
  for (const { resource } of checks) if (resource.namespace !== undefined) namespaces.add(resource.namespace)
  return namespaces
}

function callOf(port: ClientPort, method: ClientMethod): Call {
  const [group, name] = splitName(method)
  const on: unknown = group === '' ? port : Reflect.get(port, group)
  const call: unknown = Reflect.get(on as object, name)
  if (typeof call !== 'function') throw new Error(`invariant: the port has no method ${method}`)
  return (...args) => Reflect.apply(call, on, args) as Promise<unknown>
}

function splitName(method: ClientMethod): readonly [group: string, name: string] {
  const [first = '', second] = method.split('.')
  return second === undefined ? ['', first] : [first, second]
}

/** What the caller has started is its own, whatever it says. */
function inNameOf(caller: Caller, method: ClientMethod, args: readonly unknown[]): readonly unknown[] {
  if (method === 'start') {
    const [request, ...rest] = args as [StartRequest, ...unknown[]]
    return [{ ...request, attributes: owned(caller, request.attributes) }, ...rest]
  }
  if (method === 'schedules.create') {
    const [target, spec, ...rest] = args as ArgsOf<'schedules.create'>
    return [target, { ...spec, start: ownedStart(caller, spec.start) }, ...rest]
  }
  if (method === 'schedules.update') {
    const [target, changes] = args as ArgsOf<'schedules.update'>
    const { start } = changes
    // Attributes that are not given stay, and so does the owner.
    return start?.attributes === undefined ? args : [target, { ...changes, start: ownedStart(caller, start) }]
  }
  return args
}

function ownedStart<S extends Partial<ScheduledStart>>(caller: Caller, start: S): S {
  return { ...start, attributes: owned(caller, start.attributes) }
}

function owned({ id }: Caller, attributes: Attributes = {}): Attributes {
  if (Object.hasOwn(attributes, OWNER_ATTRIBUTE))
    throw new PerdureError('ARGUMENT_INVALID', `the attribute ${OWNER_ATTRIBUTE} is set by the engine`)
  if (Object.keys(attributes).length > ATTRIBUTES_MOST)
    throw new PerdureError('ARGUMENT_INVALID', `more than ${ATTRIBUTES_MOST} attributes`)
  return { ...attributes, [OWNER_ATTRIBUTE]: id }
}

const LISTS: ReadonlySet<ClientMethod> = new Set([
  'list',
  'tasks.list',
  'schedules.list',
  'people.inbox',
  'queues.list',
])

/** Lists have only what the caller could also read one by one. */
function readableOnly(
  guard: Guard,
  caller: Caller,
  method: ClientMethod,
  { args, answer }: { readonly args: readonly unknown[]; readonly answer: unknown },
): unknown {
  if (!LISTS.has(method)) return answer
  const [query] = args
  const namespace = typeof query === 'string' ? query : String(Reflect.get(Object(query), 'namespace'))
  switch (method) {
    case 'list': {
      const page = answer as Awaited<ReturnType<ClientPort['list']>>
      const rows = guard.readable(caller, 'ReadExecution', page.executions, (row) =>
        resources.execution(row.key, row),
      )
      return { ...page, executions: rows }
    }
    case 'tasks.list': {
      const page = answer as Awaited<ReturnType<ClientPort['tasks']['list']>>
      const rows = guard.readable(caller, 'ReadTask', page.tasks, (row) =>
        resources.task({ namespace, id: row.id }, row),
      )
      return { ...page, tasks: rows }
    }
    case 'schedules.list': {
      const page = answer as Awaited<ReturnType<ClientPort['schedules']['list']>>
      const rows = guard.readable(caller, 'ReadSchedule', page.schedules, (row) =>
        resources.scheduleRow(namespace, row),
      )
      return { ...page, schedules: rows }
    }
    case 'people.inbox': {
      const page = answer as Awaited<ReturnType<ClientPort['people']['inbox']>>
      const rows = guard.readable(caller, 'ReadHumanTask', page.tasks, (row) =>
        resources.humanTaskRow(namespace, row),
      )
      return { ...page, tasks: rows }
    }
    case 'queues.list':
      return guard.readable(
        caller,
        'ReadQueue',
        answer as Awaited<ReturnType<ClientPort['queues']['list']>>,
        (row) => resources.queue(namespace, row.queue),
      )
    default:
      return answer
  }
}
