/**
 * Settings of queues with several partitions, which different nodes have: the owner of the first one changes them. The others
 * are asked to follow when that is done, and look by themselves each second: one may not have been reached.
 */
import type { Engine } from '../../engine/engine.ts'
import { followsOthers } from '../../engine/tasks/queue-calls.ts'
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'

const LOOK_MS = 1000

export class SettingsWatch {
  readonly #clock: Clock
  readonly #logger: Logger
  #cancel: Cancel | undefined
  #isStopped = false

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock
    this.#logger = logger
  }

  start(engine: Engine): void {
    if (this.#isStopped) return
    this.#cancel = this.#clock.after(LOOK_MS, () => void this.#look(engine))
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  async #look(engine: Engine): Promise<void> {
    try {
      if (followsOthers(engine)) await engine.tasks.settings.refresh()
    } catch (error) {
      // The database may be away: the next look comes.
      if (!this.#isStopped) this.#logger.debug('settings of queues could not be read', { error })
    }
    this.start(engine)
  }
}
