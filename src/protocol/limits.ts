/** Bounds on what one execution may hold. Each has a name, a default, and an error code of the catalogue. */
export interface Limits {
  /** Encoded bytes of one payload. Error `PAYLOAD_TOO_LARGE`. Default 4 MiB. */
  readonly payloadBytes: number
  /** Events in one history. The execution fails with `HISTORY_TOO_LONG`; use `continueAsNew`. Default 100,000. */
  readonly historyEvents: number
  /** Operations pending at once in one execution. Error `TOO_MANY_OPERATIONS`. Default 10,000. */
  readonly pendingOperations: number
  /** Signals accepted and not yet consumed. Error `TOO_MANY_SIGNALS`. Default 10,000. */
  readonly queuedSignals: number
  /** Changes of one human task, such as claims and comments. Error `HUMAN_TASK_CONFLICT`. Default 1,000. */
  readonly humanTaskChanges: number
  /** Nesting of child executions. Error `CHILDREN_TOO_DEEP`. Default 50. */
  readonly childDepth: number
  /** UTF-8 bytes of an id or name. Error `ID_INVALID`. Default 512. */
  readonly idBytes: number
}

export const DEFAULT_LIMITS: Limits = {
  payloadBytes: 4 * 1024 * 1024,
  historyEvents: 100_000,
  pendingOperations: 10_000,
  queuedSignals: 10_000,
  humanTaskChanges: 1000,
  childDepth: 50,
  idBytes: 512,
}

/** A limit is logged once when this share of it is reached. */
export const LIMIT_WARNING_SHARE = 0.8
