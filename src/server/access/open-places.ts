/**
 * Quotas of what is open in a namespace at once: executions, and tasks.
 *
 * 1. Without such a quota nothing is read and nothing is counted.
 * 2. Each node counts for itself (see `OpenCount`): several together may let in more, at most what each of the others lets in within
 *    `COUNT_MS`.
 * 3. What makes nothing new is not refused: a start that was made before, or of what is open, and tasks that are there.
 */
import { keyTextOf } from '../../core/task/task-key.ts'
import { eventsAfter } from '../../engine/journal-events.ts'
import type { StartReply, StartRequest } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { isClosed } from '../../protocol/execution-status.ts'
import type { RunId } from '../../protocol/ids.ts'
import { repeatOf } from '../../protocol/request-mark.ts'
import type { TaskReply, TaskRequest } from '../../protocol/task-port.ts'
import type { Store } from '../../store/contract/store.ts'
import type { Quotas } from './namespaces.ts'
import { COUNT_MS, OpenCount, type TakenPlaces } from './open-count.ts'

export interface OpenPlacesParts {
  readonly store: Pick<
    Store,
    'countOpen' | 'countOpenTasks' | 'currents' | 'executions' | 'journal' | 'taskSeqs' | 'keyHolders'
  >
  readonly quotasOf: (namespace: string) => Quotas
  /** ms that are never set back. */
  readonly nowMs: () => number
}

/** Tasks of one call and namespace, and the places they may take. */
interface Group {
  readonly namespace: string
  readonly requests: readonly TaskRequest[]
  readonly quota: number
}

export class OpenPlaces {
  readonly #parts: OpenPlacesParts
  readonly #executions = new Map<string, OpenCount>()
  readonly #tasks = new Map<string, OpenCount>()

  constructor(parts: OpenPlacesParts) {
    this.#parts = parts
  }

  /** @throws PerdureError `QUOTA_EXCEEDED` */
  async start(request: StartRequest, run: () => Promise<StartReply>): Promise<StartReply> {
    const { namespace } = request.key
    const { openExecutions: quota } = this.#parts.quotasOf(namespace)
    if (quota === undefined) {
      this.#executions.delete(namespace)
      return await run()
    }
    const { store } = this.#parts
    const counts = this.#countIn(this.#executions, namespace, (most) => store.countOpen(namespace, most))
    const taken = await counts.take(1, quota)
    if (taken !== undefined) return await filling([taken], run, ({ started }) => [started ? 1 : 0])
    if (await this.#isKnown(request)) return await run()
    throw full(`namespace ${namespace} has its ${quota} open executions`)
  }

  /** All of them or none. @throws PerdureError `QUOTA_EXCEEDED` */
  async enqueue(
    requests: readonly TaskRequest[],
    run: () => Promise<readonly TaskReply[]>,
  ): Promise<readonly TaskReply[]> {
    const groups = this.#groupsOf(requests)
    if (groups.length === 0) return await run()
    const taken: TakenPlaces[] = []
    try {
      for (const group of groups) taken.push(await this.#take(group))
    } catch (error) {
      for (const places of taken) places.filled(0)
      throw error
    }
    return await filling(taken, run, (replies) =>
      groups.map(
        ({ namespace }) =>
          replies.filter(({ enqueued }, i) => enqueued && requests[i]?.namespace === namespace).length,
      ),
    )
  }

  #groupsOf(requests: readonly TaskRequest[]): readonly Group[] {
    const groups: Group[] = []
    for (const namespace of new Set(requests.map((each) => each.namespace))) {
      const { openTasks: quota } = this.#parts.quotasOf(namespace)
      if (quota === undefined) this.#tasks.delete(namespace)
      else
        groups.push({ namespace, quota, requests: requests.filter((each) => each.namespace === namespace) })
    }
    return groups
  }

  async #take({ namespace, requests, quota }: Group): Promise<TakenPlaces> {
    const { store } = this.#parts
    const counts = this.#countIn(this.#tasks, namespace, (most) => store.countOpenTasks(namespace, most))
    const taken = await counts.take(requests.length, quota)
    if (taken !== undefined) return taken
    const fresh = await this.#fresh(requests)
    const fewer = fresh < requests.length ? await counts.take(fresh, quota) : undefined
    if (fewer !== undefined) return { filled: (used = fresh) => fewer.filled(Math.min(used, fresh)) }
    // Those that are there make nothing, whatever is open.
    if (fresh === 0) return { filled: () => {} }
    throw full(`namespace ${namespace} has no place for ${fresh} more of its ${quota} open tasks`)
  }

  /** Whether the start makes no more to be open than there is. */
  async #isKnown({ key, runId, mark }: StartRequest): Promise<boolean> {
    const { store } = this.#parts
    const [newest] = await store.currents([key])
    if (newest === undefined) return false
    const known = await store.executions(runId === undefined ? [newest] : [newest, runId])
    const [current, before] = known
    if (before !== undefined) return true
    if (current !== undefined && !isClosed(current.status)) return true
    return mark !== undefined && repeatOf(mark, await this.#markOf(newest)) !== 'other'
  }

  async #markOf(runId: RunId): Promise<StartRequest['mark']> {
    const [first] = eventsAfter(await this.#parts.store.journal(runId, 0, 1), 0)
    return first?.event.type === 'execution-started' ? first.event.mark : undefined
  }

  /** How many of them are new. */
  async #fresh(requests: readonly TaskRequest[]): Promise<number> {
    const { store } = this.#parts
    const named = requests.flatMap(({ namespace, id }) => (id === undefined ? [] : [{ namespace, id }]))
    const unique = [...new Map(named.map((key) => [key.id, key])).values()]
    const keyed = requests.flatMap((request) => {
      const dedupe = request.id === undefined ? keyTextOf(request.name, request) : undefined
      return dedupe === undefined ? [] : [{ namespace: request.namespace, dedupe }]
    })
    const [seqs, holders] = await Promise.all([store.taskSeqs(unique), store.keyHolders(keyed)])
    const held = holders.filter(({ length }) => length > 0).length
    const others = requests.length - named.length - keyed.length
    return seqs.filter((seq) => seq === undefined).length + (keyed.length - held) + others
  }

  #countIn(
    counts: Map<string, OpenCount>,
    namespace: string,
    count: (most: number) => Promise<number>,
  ): OpenCount {
    const known = counts.get(namespace)
    if (known !== undefined) return known
    const made = new OpenCount({ count, nowMs: this.#parts.nowMs })
    counts.set(namespace, made)
    return made
  }
}

async function filling<T>(
  taken: readonly TakenPlaces[],
  run: () => Promise<T>,
  usedOf: (answer: T) => readonly number[],
): Promise<T> {
  try {
    const answer = await run()
    const used = usedOf(answer)
    for (const [i, places] of taken.entries()) places.filled(used[i] ?? 0)
    return answer
  } catch (error) {
    // What was refused for good made nothing. Of all else nobody knows: it counts until it is counted again.
    const isRefused = error instanceof PerdureError && !error.retryable
    for (const places of taken) places.filled(isRefused ? 0 : undefined)
    throw error
  }
}

function full(what: string): PerdureError {
  return new PerdureError('QUOTA_EXCEEDED', what, { retryAfterMs: COUNT_MS })
}
