/**
 * Calls about what this node owns.
 *
 * What is read in memory leaves only after it was asked whether the session still counted: a node that was stopped for a while
 * does not know that others have gone on without it.
 */
import type { RegistryChange, RegistryReply } from '../../engine/registry/registry-port.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import type { NodeMethod } from '../../protocol/node-messages.ts'
import type { Session } from '../../store/contract/rows.ts'
import { withSignal } from '../waiting-calls.ts'

/** Answers of these come from memory. What others answer is durable, and does not change. */
const READS_OF_MEMORY: ReadonlySet<NodeMethod> = new Set([
  'query',
  'describe',
  'explain',
  'tasks.describe',
  'tasks.explain',
  'tasks.explainQueue',
  // To other nodes: what runs here.
  'tasks.list',
  'schedules.describe',
  'queues.get',
  'queues.list',
  'people.describe',
])

/** Changes of administrative objects, which no client's port has. */
export interface RegistryOwner {
  put(change: RegistryChange): Promise<RegistryReply>
}

export interface OwnerCallsOptions {
  readonly port: ClientPort
  readonly registry: RegistryOwner
  readonly session: () => Session
  readonly assertAlive: (session: Session) => Promise<void>
}

export class OwnerCalls {
  readonly #port: ClientPort
  readonly #registry: RegistryOwner
  readonly #session: () => Session
  readonly #assertAlive: (session: Session) => Promise<void>

  constructor({ port, registry, session, assertAlive }: OwnerCallsOptions) {
    this.#port = port
    this.#registry = registry
    this.#session = session
    this.#assertAlive = assertAlive
  }

  async call(method: NodeMethod, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    const session = this.#session()
    const answer = await this.#run(method, args, signal)
    if (READS_OF_MEMORY.has(method)) await this.#assertAlive(session)
    return answer
  }

  #run(method: NodeMethod, args: readonly unknown[], signal: AbortSignal | undefined): Promise<unknown> {
    const [first = '', second] = method.split('.')
    const groups: Readonly<Record<string, object>> = {
      tasks: this.#port.tasks,
      schedules: this.#port.schedules,
      queues: this.#port.queues,
      people: this.#port.people,
      workers: this.#port.workers,
      nodes: this.#port.nodes,
      registry: this.#registry,
    }
    const on = second === undefined ? this.#port : groups[first]
    // The one cast: the table of methods is that of the port.
    const run = (on as Record<string, ((...values: readonly unknown[]) => Promise<unknown>) | undefined>)[
      second ?? first
    ]
    if (run === undefined) throw new Error(`invariant: the port has no method ${method}`)
    const given = signal === undefined ? args : withSignal(method, args, signal)
    return run.apply(on, given as unknown[])
  }
}
