/**
 * Settings of queues that were changed at run time: one row for each such queue, written whole. It stays when all of its
 * settings are reset, since its number of the last move must never be given again.
 */

export interface QueueSettingKey {
  readonly namespace: string
  readonly queue: string
}

export interface QueueSettingRow extends QueueSettingKey {
  /** Rises by one with each change: 1, 2, 3, … */
  readonly revision: number
  /** JSON of what was set, and when. */
  readonly setting: string
}

export interface QueueSettingQuery {
  readonly namespace?: string
  /** Only those after it, in order of (namespace, queue). */
  readonly after?: QueueSettingKey
  readonly limit: number
}

/** What the engine reads of settings of queues. */
export interface QueueSettingReads {
  /** In order of (namespace, queue), which is that of their UTF-8 bytes. */
  queueSettings(query: QueueSettingQuery): Promise<readonly QueueSettingRow[]>
}
