/** The intake of requests from transactions, of an engine whose store has such. */
import type { Engine } from '../../engine/engine.ts'
import { RequestIntake } from '../../engine/requests/request-intake.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import type { Workflow } from '../../sdk/definition.ts'
import type { Task } from '../../sdk/tasks/task.ts'
import type { RequestStore } from '../../store/contract/request-store.ts'
import type { Store } from '../../store/contract/store.ts'
import { RequestCalls, type RequestCallsOptions } from './request-calls.ts'

export interface OpenRequestsOptions {
  readonly engine: Engine
  readonly calls: ClientPort
  readonly crew: Pick<RequestCallsOptions, 'knows'>
  readonly settings: {
    readonly workflows?: readonly Workflow[]
    readonly tasks?: readonly Task[]
    /** Other nodes may have code that this one lacks. */
    readonly cluster?: object
  }
}

export function startRequests(options: OpenRequestsOptions): RequestIntake | undefined {
  const intake = intakeOf(options)
  intake?.start()
  return intake
}

function intakeOf({ engine, calls, crew, settings }: OpenRequestsOptions): RequestIntake | undefined {
  const { clock, logger, limits, store } = engine.options
  const requests = requestsOf(store)
  if (requests === undefined) return undefined
  const { workflows = [], tasks = [], cluster } = settings
  const made = new RequestCalls({
    calls,
    limits,
    workflows,
    tasks,
    warn: logger.warn,
    knows: (workflow, version, namespace) => crew.knows(workflow, version, namespace),
  })
  return new RequestIntake({
    store: requests,
    clock,
    logger,
    session: () => (engine.isFailed ? undefined : engine.session),
    payloadBytes: limits.payloadBytes,
    carryOut: (request) => made.carryOut(request),
    enqueueAll: (all) => made.enqueueAll(all),
    isElsewhere: ({ code }) => cluster !== undefined && code === 'WORKFLOW_UNKNOWN',
  })
}

function requestsOf(store: Store & { readonly requests?: RequestStore }): RequestStore | undefined {
  return store.requests
}
