/**
 * Brings a call to the node that owns what it is about.
 *
 * 1. Callers never learn who owns what: a call that meets another owner than was thought is asked again, of the next one.
 * 2. What is asked again is not done twice: calls that add something carry an id, and of the others a refusal that says that it
 *    is done already counts as the answer, if an earlier one may have been lost.
 */
import type { SessionView } from '../../core/cluster/cluster-view.ts'
import type { Engine } from '../../engine/engine.ts'
import type { ClientPort, ExecutionTarget } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { scheduleShardOf, shardOf } from '../../protocol/ids.ts'
import type { NodeMethod } from '../../protocol/node-messages.ts'
import type { NodeLinks } from './node-link.ts'
import type { OwnerCalls } from './owner-calls.ts'

export interface RouterOptions {
  readonly engine: Engine
  /** On this node. */
  readonly local: ClientPort
  readonly owner: OwnerCalls
  readonly links: Pick<NodeLinks, 'call'>
  readonly nodes: {
    ownerOf(shard: number): 'here' | SessionView | undefined
    others(): readonly SessionView[]
    changed(mostMs: number): Promise<void>
    look(): void
  }
}

export interface RoutedCall {
  readonly shard: number
  readonly method: NodeMethod
  readonly args: readonly unknown[]
  readonly signal?: AbortSignal | undefined
  /** What is asked of this node differs from what is asked of others. */
  readonly localArgs?: readonly unknown[]
}

export interface NodeAnswer {
  readonly node: string
  readonly answer: unknown
}

const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 500
/** A shard that nobody owns for so long is somebody's trouble: the caller is told. */
const NOBODY_MS = 60_000

/** It was done, or not: nobody knows. */
const UNKNOWN = new Set(['CONNECTION_LOST', 'ENGINE_CLOSED'])
/** It was not done, and can be asked again. */
const NOT_DONE = new Set(['SHARD_MOVED', 'UNCOMMITTED'])

/** What a call answers that is done already. */
const DONE_ALREADY: Partial<Record<NodeMethod, readonly string[]>> = {
  cancel: ['EXECUTION_CLOSED'],
  terminate: ['EXECUTION_CLOSED'],
  retry: ['RETRY_IMPOSSIBLE', 'EXECUTION_OPEN'],
  delete: ['EXECUTION_NOT_FOUND'],
  'tasks.cancel': ['TASK_CLOSED'],
  'tasks.retry': ['TASK_OPEN'],
  'tasks.delete': ['TASK_NOT_FOUND'],
  'schedules.create': ['SCHEDULE_EXISTS'],
  'schedules.delete': ['SCHEDULE_NOT_FOUND'],
}

/** Whoever gets this error from a node asks another one. */
export function isAskedAgain(error: unknown): boolean {
  return error instanceof PerdureError && (UNKNOWN.has(error.code) || NOT_DONE.has(error.code))
}

export class Router {
  readonly options: RouterOptions

  constructor(options: RouterOptions) {
    this.options = options
  }

  /** Of the node that owns the shard. */
  async call({ shard, method, args, signal, localArgs = args }: RoutedCall): Promise<unknown> {
    const { nodes, owner, links, engine } = this.options
    let pauseMs = FIRST_PAUSE_MS
    let mayBeDone = false
    let nobodySinceMs: number | undefined
    for (;;) {
      engine.assertOpen()
      const at = nodes.ownerOf(shard)
      try {
        if (at === 'here') return await owner.call(method, mayBeDone ? args : localArgs, signal)
        if (at !== undefined) return await links.call(at, method, args, signal)
      } catch (error) {
        const code = error instanceof PerdureError ? error.code : ''
        if (mayBeDone && DONE_ALREADY[method]?.includes(code) === true) return undefined
        if (UNKNOWN.has(code)) mayBeDone = true
        else if (!NOT_DONE.has(code)) throw error
        nodes.look()
      }
      const nowMs = engine.clock.nowMs()
      if (at !== undefined) nobodySinceMs = undefined
      else nobodySinceMs ??= nowMs
      if (nobodySinceMs !== undefined && nowMs - nobodySinceMs > NOBODY_MS)
        throw new PerdureError('SHARD_MOVED', `no node owns shard ${shard}, for ${NOBODY_MS / 1000} s now`)
      await nodes.changed(pauseMs)
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    }
  }

  /** Of all nodes: answers of those that answer. */
  async ofAll(method: NodeMethod, args: readonly unknown[]): Promise<unknown[]> {
    return (await this.ofEach(method, args)).map(({ answer }) => answer)
  }

  /** The same with the names of the nodes, this one first. */
  async ofEach(method: NodeMethod, args: readonly unknown[]): Promise<NodeAnswer[]> {
    const { owner, engine } = this.options
    const own = owner.call(method, args).then((answer) => ({ node: engine.options.node, answer }))
    const [here, others] = await Promise.all([own, this.#ofEachOther(method, args)])
    return here.answer === undefined ? others : [here, ...others]
  }

  /** Of all nodes but this one: answers of those that answer. */
  async ofOthers(method: NodeMethod, args: readonly unknown[]): Promise<unknown[]> {
    return (await this.#ofEachOther(method, args)).map(({ answer }) => answer)
  }

  async #ofEachOther(method: NodeMethod, args: readonly unknown[]): Promise<NodeAnswer[]> {
    const { nodes, links } = this.options
    const answers = await Promise.all(
      nodes.others().map(async (node): Promise<NodeAnswer | undefined> => {
        try {
          return { node: node.node, answer: await links.call(node, method, args) }
        } catch (error) {
          // It is about to be gone, and what it had is somebody else's.
          if (isAskedAgain(error)) return undefined
          throw error
        }
      }),
    )
    return answers.filter((each) => each !== undefined && each.answer !== undefined) as NodeAnswer[]
  }

  ofRun(
    method: NodeMethod,
    target: ExecutionTarget,
    args: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<unknown> {
    return this.call({ shard: this.shardOf(target.key), method, args, signal })
  }

  shardOf(key: ExecutionTarget['key']): number {
    return shardOf(key, this.options.engine.ownership.shards)
  }

  scheduleShardOf(schedule: { readonly namespace: string; readonly id: string }): number {
    return scheduleShardOf(schedule, this.options.engine.ownership.shards)
  }
}
