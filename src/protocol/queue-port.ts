/** Queues and their settings: what callers ask of the engine. Times are ms since 1970. */
import type { QueuePause } from './queue-explanation.ts'
import type {
  BalancerSetting,
  PolicySetting,
  QueueLimits,
  QueueOverrides,
  QueueSettingName,
} from './queue-settings.ts'

export interface QueueTarget {
  readonly namespace: string
  readonly queue: string
}

/** A policy or a balancer that code has brought along: it has a name, and no data. */
export interface OwnStrategy {
  readonly name: string
  readonly own: true
}

/** Settings as they can be shown. */
export interface QueueDeclaration extends QueueLimits {
  readonly policy?: PolicySetting | OwnStrategy
  readonly balancer?: BalancerSetting | OwnStrategy
  readonly paused?: boolean
}

/** `run-time`: it was changed while an engine ran, which counts until it is reset. */
export type QueueSettingSource = 'default' | 'code' | 'run-time'

export interface QueueDescription {
  readonly queue: string
  /** Name of the policy in force. */
  readonly policy: string
  readonly isPaused: boolean
  readonly waiting: number
  readonly running: number
  /** Of those that wait, the ones that are not yet moved to where a change of settings puts them. */
  readonly moving: number
  /** Of what was changed at run time: rises by one with each change. 0: nothing ever was. */
  readonly revision: number
}

export interface QueueDetails extends QueueDescription {
  /** What is in force. */
  readonly settings: QueueDeclaration
  readonly sources: Readonly<Record<QueueSettingName, QueueSettingSource>>
  /** What code says. */
  readonly code: QueueDeclaration
  /** What was changed at run time, and counts. */
  readonly overrides: QueueOverrides
  /** When it was changed last at run time. */
  readonly changedMs?: number
  /** If it was paused at run time. */
  readonly pause?: QueuePause
}

export interface QueueChangeOptions {
  /** Change it only if this is its revision; else `REVISION_CONFLICT`. */
  readonly ifRevision?: number
}

export interface QueueChangeReply {
  readonly revision: number
}

/** Changes are answered when they are durable and in force; a change that changes nothing writes nothing. */
export interface QueuePort {
  /** Those that code names, that were changed at run time, and that are in use, in the order of their names. */
  list(namespace: string): Promise<readonly QueueDescription[]>
  get(target: QueueTarget): Promise<QueueDetails>
  /** What is not given stays as it is. */
  set(target: QueueTarget, changes: QueueOverrides, options: QueueChangeOptions): Promise<QueueChangeReply>
  pause(target: QueueTarget, reason: string, options: QueueChangeOptions): Promise<QueueChangeReply>
  resume(target: QueueTarget, options: QueueChangeOptions): Promise<QueueChangeReply>
  /** What code says counts again, for the names that are given, or for all. */
  reset(
    target: QueueTarget,
    names: readonly QueueSettingName[] | undefined,
    options: QueueChangeOptions,
  ): Promise<QueueChangeReply>
}
