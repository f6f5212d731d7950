/**
 * Settings of queues that are changed while the engine runs: durable, and in force at once.
 *
 * 1. All of them are in memory: what is decided about one is decided in one turn.
 * 2. The row of a change is in the open batch before anything follows from it. So a task that waits where a change has put
 *    it is never durable without the change; and if the batch is dropped, so is all of this, and it is read again.
 * 3. A change that gives waiting tasks other places gets a number of its own, which is part of the names of its lanes: no
 *    two changes ever have lanes in common, also when one takes the other back.
 */
import type { Clock } from '../../platform/clock.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { QueuePause } from '../../protocol/queue-explanation.ts'
import type { QueueChangeOptions, QueueTarget } from '../../protocol/queue-port.ts'
import type { QueueOverrides } from '../../protocol/queue-settings.ts'
import type {
  QueueSettingKey,
  QueueSettingReads,
  QueueSettingRow,
} from '../../store/contract/queue-setting-rows.ts'
import type { Committer } from '../committer.ts'
import { NO_RUN } from '../no-run.ts'
import type { LiveQueue, QueueDesign, QueueDesigns } from './live-queue.ts'
import type { LiveTask } from './live-task.ts'

export interface QueueSettingsOptions {
  readonly store: QueueSettingReads
  readonly designs: QueueDesigns
  readonly committer: Committer
  readonly clock: Clock
  readonly nextNumber: () => number
  /** Partitions that are in memory. */
  readonly queues: () => Iterable<LiveQueue>
  readonly running: () => Iterable<LiveTask>
  /** These lanes were left behind by a change: nothing that is not there yet will be put into them. */
  readonly onLeft: (live: LiveQueue, lanes: readonly string[]) => void
  /** What another owner has changed is in force: what waits may start now. */
  readonly onFollowed: () => void
}

/** As it is stored, in JSON. */
export interface QueueSetting {
  readonly overrides: QueueOverrides
  readonly changedMs: number
  /** Of the last change that gave tasks other places. */
  readonly move?: number
  readonly pause?: QueuePause
}

export interface StoredQueueSetting {
  readonly revision: number
  readonly setting: QueueSetting
  /** That holds it, if it is not known to be durable. */
  readonly batch: Committer['open'] | undefined
}

interface AppliedChange {
  readonly before: QueueDesign
  readonly after: QueueDesign
  /** Of the new places; undefined: tasks stay where they are. */
  readonly policyTag: string | undefined
  readonly setting: QueueSetting
}

const PAGE_ROWS = 500
const NOTHING: StoredQueueSetting = {
  revision: 0,
  setting: { overrides: {}, changedMs: 0 },
  batch: undefined,
}

export class QueueSettingsDesk {
  readonly #options: QueueSettingsOptions
  readonly #stored = new Map<string, StoredQueueSetting & { readonly key: QueueSettingKey }>()

  constructor(options: QueueSettingsOptions) {
    this.#options = options
  }

  /** All rows, as the store has them; they count from `restore` on. */
  async read(): Promise<readonly QueueSettingRow[]> {
    const rows: QueueSettingRow[] = []
    for (let after: QueueSettingKey | undefined; ; after = rows.at(-1)) {
      const at = after === undefined ? {} : { after }
      const page = await this.#options.store.queueSettings({ limit: PAGE_ROWS, ...at })
      rows.push(...page)
      if (page.length < PAGE_ROWS) return rows
    }
  }

  /** Nothing was changed since the rows were read. */
  restore(rows: readonly QueueSettingRow[]): void {
    this.#stored.clear()
    for (const { namespace, queue, revision, setting } of rows) {
      const key = { namespace, queue }
      const known = { key, revision, setting: JSON.parse(setting) as QueueSetting, batch: undefined }
      this.#stored.set(textOf(key), known)
    }
    // What was enqueued before may have made queues by what code says alone.
    const nowMs = this.#options.clock.nowMs()
    for (const live of this.#options.queues()) {
      const { design, policyTag, pause } = this.fit(live.key)
      const { isPaused } = design
      const limits = design.limitsOf(live.key.partition)
      const isMove = policyTag !== live.queue.policyTag
      const places = isMove ? { places: { policy: design.makePolicy(), policyTag } } : {}
      live.queue.change({ limits, isPaused, ...places }, [], nowMs)
      live.crew.fleet.balanceBy(design.makeBalancer(), nowMs)
      live.pause = pause
    }
  }

  /**
   * As another owner has left or changed them: what is newer than what is known is in force from now on. Of a queue with
   * several partitions the owner of the first one changes them, and the owners of the others follow.
   */
  follow(rows: readonly QueueSettingRow[]): void {
    let isNew = false
    for (const { namespace, queue, revision, setting: text } of rows) {
      const key = { namespace, queue }
      const known = this.of(key)
      if (revision <= known.revision) continue
      isNew = true
      const before = this.fit(key)
      const setting = JSON.parse(text) as QueueSetting
      this.#stored.set(textOf(key), { key, revision, setting, batch: undefined })
      const { design: after, policyTag } = this.fit(key)
      const isMove = policyTag !== before.policyTag
      const change = { before: before.design, after, policyTag: isMove ? policyTag : undefined, setting }
      this.#applyToAll(key, change)
    }
    if (isNew) this.#options.onFollowed()
  }

  /** Follows what the store has. */
  async refresh(): Promise<void> {
    this.follow(await this.read())
  }

  /** Forgets everything: what is not committed was dropped. */
  reset(): void {
    this.#stored.clear()
  }

  of(key: QueueSettingKey): StoredQueueSetting {
    return this.#stored.get(textOf(key)) ?? NOTHING
  }

  /** It was changed while the engine ran. */
  isSet(key: QueueSettingKey): boolean {
    return this.#stored.has(textOf(key))
  }

  /** Resolves when it is durable; rejects when it never will be. */
  durable({ batch }: StoredQueueSetting): Promise<void> {
    if (batch === undefined || batch.isDone) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const release = (dropped: Error | undefined): void =>
        dropped === undefined ? resolve() : reject(dropped)
      this.#options.committer.wait({ batch }, { runId: NO_RUN, isStep: false, release })
    })
  }

  /** Queues of a namespace that were changed. */
  names(namespace: string): string[] {
    return [...this.#stored.values()].flatMap(({ key }) => (key.namespace === namespace ? [key.queue] : []))
  }

  design({ queue }: QueueSettingKey, overrides: QueueOverrides): QueueDesign {
    return this.#options.designs.of(queue, overrides)
  }

  /** How the queue is to be made, and the tag of the places of its tasks. */
  fit(key: QueueSettingKey): {
    readonly design: QueueDesign
    readonly policyTag: string
    readonly pause: QueueSetting['pause']
  } {
    const { setting } = this.of(key)
    const design = this.design(key, setting.overrides)
    return { design, policyTag: tagOf(design, setting), pause: setting.pause }
  }

  /**
   * Puts a change into the open batch, and in force. `change` gives the same object if there is nothing to change.
   *
   * @throws PerdureError `REVISION_CONFLICT`, `ARGUMENT_INVALID`
   */
  change(
    { namespace, queue }: QueueTarget,
    { ifRevision }: QueueChangeOptions,
    change: (setting: QueueSetting, nowMs: number) => QueueSetting,
  ): StoredQueueSetting {
    const key = { namespace, queue }
    const known = this.of(key)
    if (ifRevision !== undefined && ifRevision !== known.revision)
      throw new PerdureError(
        'REVISION_CONFLICT',
        `the settings of queue ${queue} have revision ${known.revision}, not ${ifRevision}`,
      )
    const nowMs = this.#options.clock.nowMs()
    const wanted = change(known.setting, nowMs)
    if (wanted === known.setting) return known
    const before = this.design(key, known.setting.overrides)
    const after = this.design(key, wanted.overrides)
    const isMove = before.placesText !== after.placesText
    const setting = { ...wanted, changedMs: nowMs, ...(isMove ? { move: this.#options.nextNumber() } : {}) }
    const { committer } = this.#options
    const revision = known.revision + 1
    committer.writesFor(NO_RUN).putQueueSetting({ ...key, revision, setting: JSON.stringify(setting) })
    const next = { key, revision, setting, batch: committer.open }
    this.#stored.set(textOf(key), next)
    this.#applyToAll(key, { before, after, policyTag: isMove ? tagOf(after, setting) : undefined, setting })
    return next
  }

  #applyToAll({ namespace, queue }: QueueSettingKey, change: AppliedChange): void {
    for (const live of this.#options.queues())
      if (live.key.namespace === namespace && live.key.queue === queue) this.#apply(live, change)
  }

  #apply(live: LiveQueue, { before, after, policyTag, setting }: AppliedChange): void {
    const nowMs = this.#options.clock.nowMs()
    const { queue, crew } = live
    const { isPaused } = after
    const limits = after.limitsOf(live.key.partition)
    const lanes = policyTag === undefined ? [] : [...queue.backlog.lanes()].map(({ name }) => name.text)
    const running = [...this.#options.running()].filter((task) => task.queue === queue)
    const places = policyTag === undefined ? {} : { places: { policy: after.makePolicy(), policyTag } }
    queue.change({ limits, isPaused, ...places }, running, nowMs)
    live.pause = setting.pause
    if (before.balancerText !== after.balancerText) crew.fleet.balanceBy(after.makeBalancer(), nowMs)
    if (lanes.length > 0) this.#options.onLeft(live, lanes)
  }
}

function tagOf({ policyTag }: QueueDesign, { move }: QueueSetting): string {
  return move === undefined ? policyTag : `${policyTag}@${move.toString(36)}`
}

function textOf({ namespace, queue }: QueueSettingKey): string {
  return `${namespace}\0${queue}`
}
