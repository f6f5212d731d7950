/** The calls of clients about queues: every answer waits for the commit of what it says. */
import { currentCall } from '../../platform/call-context.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type {
  QueueChangeOptions,
  QueueChangeReply,
  QueueDescription,
  QueueDetails,
  QueuePort,
  QueueSettingSource,
  QueueTarget,
} from '../../protocol/queue-port.ts'
import {
  QUEUE_SETTING_NAMES,
  type QueueOverrides,
  type QueueSettingName,
} from '../../protocol/queue-settings.ts'
import type { Engine } from '../engine.ts'
import { NO_RUN } from '../no-run.ts'
import type { QueueDesign } from './live-queue.ts'
import { checkedOverrides, checkedSettingNames, mergedOverrides } from './queue-overrides.ts'
import type { QueueSetting, StoredQueueSetting } from './queue-settings-desk.ts'

const BY_A_CLIENT = 'paused by a client'

export class QueueCalls implements QueuePort {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async list(namespace: string): Promise<readonly QueueDescription[]> {
    // Whoever has just changed them at another node, sees it here.
    if (followsOthers(this.#engine)) await this.#engine.tasks.settings.refresh()
    return this.#durably(() => {
      const { queues, settings } = this.#engine.tasks
      const live = queues.all().flatMap(({ key }) => (key.namespace === namespace ? [key.queue] : []))
      const names = new Set([...live, ...this.#engine.options.designs.names, ...settings.names(namespace)])
      const targets = [...names].toSorted().map((queue) => ({ namespace, queue }))
      return {
        answer: targets.map((target) => this.#description(target)),
        stored: targets.map((target) => settings.of(target)),
      }
    })
  }

  async get(target: QueueTarget): Promise<QueueDetails> {
    return this.#durably(() => {
      const { settings } = this.#engine.tasks
      const stored = settings.of(target)
      const { overrides, changedMs, pause } = stored.setting
      const { inForce, declared } = settings.design(target, overrides)
      const answer: QueueDetails = {
        ...this.#description(target),
        settings: inForce,
        sources: sourcesOf(overrides, declared),
        code: declared,
        overrides,
        ...(stored.revision === 0 ? {} : { changedMs }),
        ...(pause === undefined ? {} : { pause }),
      }
      return { answer, stored: [stored] }
    })
  }

  async set(...[target, changes, options]: Parameters<QueuePort['set']>): Promise<QueueChangeReply> {
    const checked = checkedOverrides(changes)
    this.#engine.options.designs.assertMayChange(target.queue, checked)
    return this.#change(target, options, (setting, nowMs) => {
      const { pause: _, ...rest } = setting
      const overrides = mergedOverrides(setting.overrides, checked)
      if (isSame(overrides, setting.overrides)) return setting
      if (overrides.paused !== true) return { ...rest, overrides }
      return { ...rest, overrides, pause: setting.pause ?? { reason: BY_A_CLIENT, atMs: nowMs } }
    })
  }

  async pause(...[target, reason, options]: Parameters<QueuePort['pause']>): Promise<QueueChangeReply> {
    return this.#change(target, options, (setting, nowMs) =>
      setting.overrides.paused === true && setting.pause?.reason === reason
        ? setting
        : {
            ...setting,
            overrides: mergedOverrides(setting.overrides, { paused: true }),
            pause: { reason, atMs: nowMs },
          },
    )
  }

  /** What code says counts again, unless it says that the queue is paused. */
  async resume(...[target, options]: Parameters<QueuePort['resume']>): Promise<QueueChangeReply> {
    return this.#change(target, options, (setting) => {
      const { pause: _, ...rest } = setting
      const { paused: __, ...others } = setting.overrides
      const isPausedByCode = this.#design(target, others).isPaused
      const overrides = isPausedByCode ? mergedOverrides(others, { paused: false }) : others
      return isSame(overrides, setting.overrides) ? setting : { ...rest, overrides }
    })
  }

  async reset(...[target, names, options]: Parameters<QueuePort['reset']>): Promise<QueueChangeReply> {
    const gone: readonly string[] = checkedSettingNames(names)
    return this.#change(target, options, (setting) => {
      const { pause, ...rest } = setting
      const left = Object.entries(setting.overrides).filter(([name]) => !gone.includes(name))
      const overrides = Object.fromEntries(left) as QueueOverrides
      if (isSame(overrides, setting.overrides)) return setting
      return pause === undefined || gone.includes('paused')
        ? { ...rest, overrides }
        : { ...setting, overrides }
    })
  }

  async #change(
    target: QueueTarget,
    options: QueueChangeOptions,
    change: (setting: QueueSetting, nowMs: number) => QueueSetting,
  ): Promise<QueueChangeReply> {
    const { tasks } = this.#engine
    this.#engine.assertIntake()
    await tasks.ready()
    this.#engine.assertOpen()
    this.#assertOwned(target)
    const { audit } = this.#engine
    const call = audit === undefined ? undefined : currentCall()
    const stored = tasks.together(() => {
      const { revision } = tasks.settings.of(target)
      const changed = tasks.settings.change(target, options, change)
      if (changed.revision > revision) audit?.changed(call, NO_RUN)
      return changed
    })
    tasks.queues.ask()
    await tasks.settings.durable(stored)
    return { revision: stored.revision }
  }

  #assertOwned({ namespace, queue }: QueueTarget): void {
    const { ownership } = this.#engine
    if (ownership.isWhole) return
    ownership.assertQueue({ namespace, queue, partition: 0 })
  }

  /** What is dropped before it is durable is not so: then it is looked at again. */
  async #durably<T>(
    look: () => { readonly answer: T; readonly stored: readonly StoredQueueSetting[] },
  ): Promise<T> {
    for (;;) {
      this.#engine.assertOpen()
      await this.#engine.tasks.ready()
      this.#engine.assertOpen()
      const { answer, stored } = look()
      try {
        await Promise.all(stored.map((each) => this.#engine.tasks.settings.durable(each)))
        return answer
      } catch (error) {
        if (!(error instanceof PerdureError) || error.code !== 'UNCOMMITTED') throw error
      }
    }
  }

  #description(target: QueueTarget): QueueDescription {
    const { queues, settings } = this.#engine.tasks
    const { revision, setting } = settings.of(target)
    const { inForce, isPaused } = settings.design(target, setting.overrides)
    const parts = queues
      .all()
      .flatMap(({ key, queue }) =>
        key.namespace === target.namespace && key.queue === target.queue ? [queue] : [],
      )
    const sum = (of: (queue: (typeof parts)[number]) => number): number =>
      parts.reduce((total, queue) => total + of(queue), 0)
    return {
      queue: target.queue,
      policy: inForce.policy?.name ?? '',
      isPaused,
      waiting: sum(({ waiting }) => waiting),
      running: sum(({ limits }) => limits.running),
      moving: sum(({ astray }) => astray),
      revision,
    }
  }

  #design(target: QueueTarget, overrides: QueueOverrides): QueueDesign {
    return this.#engine.tasks.settings.design(target, overrides)
  }
}

/** Settings of queues with several partitions may be changed by another node. */
export function followsOthers({ ownership, options: { designs } }: Engine): boolean {
  return !ownership.isWhole && designs.names.some((name) => designs.partitionsOf(name) > 1)
}

function sourcesOf(
  overrides: QueueOverrides,
  declared: QueueDesign['declared'],
): Record<QueueSettingName, QueueSettingSource> {
  const sourceOf = (name: QueueSettingName): QueueSettingSource =>
    overrides[name] !== undefined ? 'run-time' : declared[name] !== undefined ? 'code' : 'default'
  return Object.fromEntries(QUEUE_SETTING_NAMES.map((name) => [name, sourceOf(name)])) as Record<
    QueueSettingName,
    QueueSettingSource
  >
}

/** Both are made by `mergedOverrides`, or are a part of such a one. */
function isSame(a: QueueOverrides, b: QueueOverrides): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
