/** Logs that an execution comes near a limit, before it hits it: once per limit while it is in memory. */
import type { Logger } from '../platform/logger.ts'
import { LIMIT_WARNING_SHARE, type Limits } from '../protocol/limits.ts'
import { executionFields } from './execution-fields.ts'
import type { LiveExecution } from './live-execution.ts'

type WatchedLimit = 'historyEvents' | 'pendingOperations' | 'queuedSignals' | 'childDepth'

const MESSAGES: Readonly<Record<WatchedLimit, string>> = {
  historyEvents: 'history is getting long: use ctx.continueAsNew',
  pendingOperations: 'many operations are pending: use ctx.map with a concurrency',
  queuedSignals: 'many signals are not consumed',
  childDepth: 'children are nested deep',
}

export class LimitWarnings {
  readonly #limits: Limits
  readonly #logger: Logger

  constructor(limits: Limits, logger: Logger) {
    this.#limits = limits
    this.#logger = logger
  }

  look(execution: LiveExecution): void {
    const { state } = execution
    this.#compare(execution, 'historyEvents', state.seq)
    this.#compare(execution, 'pendingOperations', state.ops.size)
    if (state.signals !== undefined) this.#compare(execution, 'queuedSignals', state.signals.size)
    if (state.depth > 0) this.#compare(execution, 'childDepth', state.depth)
  }

  #compare(execution: LiveExecution, name: WatchedLimit, count: number): void {
    const limit = this.#limits[name]
    if (count < limit * LIMIT_WARNING_SHARE || execution.limitsWarned?.has(name) === true) return
    execution.limitsWarned ??= new Set()
    execution.limitsWarned.add(name)
    this.#logger.warn(MESSAGES[name], { ...executionFields(execution.state), [name]: count, limit })
  }
}
