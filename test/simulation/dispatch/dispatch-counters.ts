/** What happened in a simulation of dispatch. */
const NO_COUNTS = {
  /** Put on the wire by either side, with those that were made up. */
  messages: 0,
  delivered: 0,
  lost: 0,
  duplicated: 0,
  /** Arrived after one that was sent later. */
  reordered: 0,
  late: 0,
  /** Arrived when nobody was there any more. */
  undelivered: 0,
  forged: 0,
  garbage: 0,
  connections: 0,
  refused: 0,
  broken: 0,
  dark: 0,
  silent: 0,
  crashes: 0,
  killed: 0,
  freezes: 0,
  drains: 0,
  dispatches: 0,
  rejected: 0,
  aborted: 0,
  timeouts: 0,
  lostWithWorker: 0,
  poisoned: 0,
  startedOver: 0,
  tasks: 0,
  completed: 0,
}

export type DispatchCounters = { -readonly [K in keyof typeof NO_COUNTS]: number }

export function noDispatchCounts(): DispatchCounters {
  return { ...NO_COUNTS }
}
