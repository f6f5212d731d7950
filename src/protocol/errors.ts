/**
 * The error catalogue. `PerdureError` is a failure of the platform or of its use; errors thrown by the user's own code
 * travel as `ApplicationError` and keep name, message, stack and cause.
 */
interface CatalogueEntry {
  readonly httpStatus: number
  /** The same call may succeed later. */
  readonly retryable: boolean
  readonly hint: string
}

const entry = (httpStatus: number, retryable: boolean, hint: string): CatalogueEntry => ({
  httpStatus,
  retryable,
  hint,
})

export const ERROR_CATALOGUE = {
  ARGUMENT_INVALID: entry(400, false, 'Correct the argument named in the message.'),
  CANCELLED: entry(
    409,
    false,
    'It was cancelled. Workflow code that is told so cleans up in ctx.uncancellable and rethrows.',
  ),
  CHILDREN_TOO_DEEP: entry(422, false, 'Start a new top-level execution, or raise limits.childDepth.'),
  CHILD_FAILED: entry(422, false, 'See `cause` for the failure of the child.'),
  CLAIM_LOST: entry(
    409,
    false,
    'The claim has ended: its time was over, its task has ended or was given up, or its node has gone. Claim tasks anew.',
  ),
  CLOCK_BACKWARDS: entry(500, true, 'Correct the clock of the machine.'),
  CONNECTION_LOST: entry(
    503,
    true,
    'Look whether the engine runs. What was asked may have been done: ask again with the same id.',
  ),
  CONTENT_TYPE_UNSUPPORTED: entry(415, false, 'Send JSON, with `Content-Type: application/json`.'),
  COORDINATOR_UNAVAILABLE: entry(
    503,
    true,
    'Look whether etcd runs where `coordinator` says, and what it asks for (TLS, user, password); then start the node again.',
  ),
  DURATION_INVALID: entry(400, false, "Use milliseconds or a string such as '250ms', '10s', '2h', '30d'."),
  ENGINE_CLOSED: entry(503, true, 'The engine is closed or closing; call the engine that runs now.'),
  ENGINE_FAILED: entry(
    500,
    false,
    'The engine stopped to keep its data safe; see `cause`, mend it, and start the engine again.',
  ),
  EXECUTION_CLOSED: entry(409, false, 'The execution has ended; start a new one.'),
  EXECUTION_EXISTS: entry(
    409,
    false,
    'Use another id, or onConflict: "use-existing" or "terminate-existing".',
  ),
  EXECUTION_FAILED: entry(
    422,
    false,
    'See `cause` for the failure; execution.retry() continues it where that is possible.',
  ),
  EXECUTION_NOT_FOUND: entry(
    404,
    false,
    'Check namespace, workflow id and run id; it may have been deleted by retention.',
  ),
  EXECUTION_OPEN: entry(409, false, 'Cancel or terminate the execution first.'),
  EXECUTION_PARKED: entry(
    409,
    true,
    'Register the workflow version that the execution was started with; it goes on by itself.',
  ),
  EXECUTION_TERMINATED: entry(409, false, 'The execution was terminated; start a new one.'),
  EXECUTION_TIMED_OUT: entry(
    422,
    false,
    'Raise executionTimeout, or find out what the execution waited for.',
  ),
  FORBIDDEN: entry(
    403,
    false,
    'Ask for a role or a policy that permits it; `POST /v1/access/explain` says what decides.',
  ),
  FOREIGN_PROMISE: entry(
    422,
    false,
    'Await only ctx operations in workflow code; put everything else into ctx.step.',
  ),
  HISTORY_TOO_LONG: entry(422, false, 'Use ctx.continueAsNew in long loops, or raise limits.historyEvents.'),
  HUMAN_TASK_CONFLICT: entry(
    409,
    false,
    'Read the human task again: this cannot be done to it as it is now.',
  ),
  HUMAN_TASK_DATA_INVALID: entry(400, false, 'Correct what was filled in at the path named in the message.'),
  HUMAN_TASK_EXPIRED: entry(422, false, 'Nobody has done it in time; open another one, or raise dueIn.'),
  HUMAN_TASK_FORBIDDEN: entry(403, false, 'Let one of its candidates act, or a manager hand it over.'),
  HUMAN_TASK_NOT_FOUND: entry(404, false, 'Check namespace and id of the human task.'),
  HUMAN_TASK_REJECTED: entry(422, false, 'See the message for who rejected it and why.'),
  HUMAN_TASK_WITHDRAWN: entry(422, false, 'See the message for who withdrew it and why.'),
  ID_INVALID: entry(
    400,
    false,
    'Use a non-empty string without NUL or lone surrogates, within limits.idBytes.',
  ),
  IDEMPOTENCY_CONFLICT: entry(
    422,
    false,
    'This Idempotency-Key was used for another request: give each request a key of its own.',
  ),
  INPUT_INVALID: entry(400, false, 'Correct the value at the path named in the message.'),
  INTERNAL: entry(500, false, 'See the log of the node, where the request id is; it is a fault of Perdure.'),
  KEYS_UNAVAILABLE: entry(
    503,
    true,
    'See the message: the key service, or the store of data keys, does not answer. Nothing was lost.',
  ),
  METHOD_NOT_ALLOWED: entry(405, false, 'See the header Allow, and /docs for all operations.'),
  NAMESPACE_NOT_FOUND: entry(
    404,
    false,
    'Name the namespace that the key or token is of (`namespace`, `--namespace`, PERDURE_NAMESPACE), or create it; see `GET /v1/namespaces`.',
  ),
  NONDETERMINISM: entry(
    422,
    false,
    'Register the code that made this history, guard the change with ctx.patched, or use a new version.',
  ),
  NODE_NAME_TAKEN: entry(
    409,
    true,
    'Give each node a name of its own. One that has crashed can be started again under its name at once.',
  ),
  NODE_NOT_FOUND: entry(
    404,
    false,
    'See `perdure nodes`, or engine.nodes.list(), for the nodes that are there.',
  ),
  NONDETERMINISTIC_CALL: entry(422, false, 'Use the replacement on ctx that the message names.'),
  OUTPUT_INVALID: entry(422, false, 'Correct what the workflow returns, or its output schema.'),
  OVERLOADED: entry(503, true, 'Wait a moment and call again.'),
  PAYLOAD_SHREDDED: entry(
    410,
    false,
    'Nobody can read it any more; terminate the execution if it is open, or start a new one.',
  ),
  PAYLOAD_TOO_LARGE: entry(
    413,
    false,
    'Store large data elsewhere and pass a reference, or raise limits.payloadBytes.',
  ),
  PAYLOAD_UNREADABLE: entry(
    500,
    false,
    'Give this program the key named in the message (docs/encryption.md), or the codec; nothing was lost.',
  ),
  PAYLOAD_UNSUPPORTED: entry(
    400,
    false,
    'Use JSON values, Date, bigint, Uint8Array, Map, Set and undefined.',
  ),
  PROTOCOL_INVALID: entry(400, false, 'Correct the message; docs/worker-protocol.md has all of them.'),
  QUOTA_EXCEEDED: entry(
    429,
    true,
    'Wait until there is less of it, or let an administrator raise the quota of the namespace.',
  ),
  QUERY_FAILED: entry(422, false, 'See `cause`.'),
  QUERY_UNKNOWN: entry(404, false, 'Register a handler with ctx.onQuery.'),
  RATE_LIMITED: entry(429, true, 'Ask less often; the answer says when to ask again.'),
  RECORD_EXISTS: entry(409, false, 'Use another id, or change the one that is there.'),
  RECORD_NOT_FOUND: entry(404, false, 'Check namespace and id; it may have been deleted.'),
  RETRY_IMPOSSIBLE: entry(409, false, 'Start a new execution.'),
  REVISION_CONFLICT: entry(
    409,
    false,
    'Somebody else has changed the settings: read them again, and decide anew.',
  ),
  ROUTE_NOT_FOUND: entry(404, false, 'See /docs for all operations.'),
  SCHEDULE_EXISTS: entry(409, false, 'Use another id, update() or onConflict: "update".'),
  SCHEDULE_NOT_FOUND: entry(404, false, 'Check namespace and id of the schedule; it may have been deleted.'),
  SHARD_MOVED: entry(503, true, 'Ask again: another node of the cluster owns it now, or soon will.'),
  SHREDDING_IMPOSSIBLE: entry(
    409,
    false,
    'Give openEncryption() a store of data keys (dataKeys), before what is to be shredded is written.',
  ),
  STEP_TIMEOUT: entry(504, true, 'Raise the timeout of the step, or make the step faster.'),
  STORE_CORRUPT: entry(500, false, 'Run `perdure doctor`; restore the file from a backup.'),
  STORE_FAILED: entry(
    500,
    false,
    'Mend the disk or database named in the message and start the engine again.',
  ),
  STORE_INVALID: entry(400, false, "Use 'memory', 'sqlite:PATH' or 'postgres://USER@HOST:PORT/DATABASE'."),
  STORE_LOCKED: entry(
    409,
    true,
    'Only one engine may use a store: stop the other one, or use another file or database.',
  ),
  STORE_NEWER: entry(
    500,
    false,
    'The store was written by a newer version of perdure: upgrade this program.',
  ),
  STORE_READ_ONLY: entry(500, false, 'Give the process write access to the directory of the file.'),
  TASK_CLOSED: entry(
    409,
    false,
    'The task has ended. One that did not complete begins anew with task.retry().',
  ),
  TASK_EXPIRED: entry(504, false, 'Raise the timeouts of the task, or run more workers.'),
  TASK_FAILED: entry(
    422,
    false,
    'See `cause` for the failure. task.retry() begins it anew; if a workflow asked for it, execution.retry().',
  ),
  TASK_ID_TAKEN: entry(
    409,
    false,
    'Use another id: all tasks of a namespace share them, whatever their name.',
  ),
  TASK_NOT_FOUND: entry(404, false, 'Check namespace and task id; it may have been deleted by retention.'),
  TASK_OPEN: entry(409, false, 'The task has not ended: wait for its end, or cancel it.'),
  TASK_POISON: entry(422, false, 'Find out why workers die on it, then task.retry().'),
  TASK_TIMEOUT: entry(504, true, 'Raise the timeout of the task, or send heartbeats more often.'),
  TASK_UNKNOWN: entry(404, false, 'Register the task with createEngine({ tasks: [...] }).'),
  TOO_MANY_OPERATIONS: entry(
    422,
    false,
    'Use ctx.map with a concurrency, or raise limits.pendingOperations.',
  ),
  TOO_MANY_SIGNALS: entry(429, true, 'Let the workflow consume its signals, or raise limits.queuedSignals.'),
  UNAUTHENTICATED: entry(
    401,
    false,
    'Give an API key or a token that is valid now: `Authorization: Bearer …`, or a certificate.',
  ),
  UNCOMMITTED: entry(503, true, 'The request was not recorded; call again with the same id.'),
  UPDATE_FAILED: entry(422, false, 'See `cause`.'),
  UPDATE_REJECTED: entry(422, false, 'See `cause` for what the validator found.'),
  UPDATE_UNKNOWN: entry(404, false, 'Register a handler with ctx.onUpdate.'),
  WORKER_ID_TAKEN: entry(409, true, 'Give each worker an id of its own, or none.'),
  WORKFLOW_UNKNOWN: entry(404, false, 'Register the workflow with createEngine({ workflows: [...] }).'),
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof ERROR_CATALOGUE

/** A failure of the platform or of its use, with a code of the catalogue. */
export class PerdureError extends Error {
  override readonly name: string = 'PerdureError'
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly hint: string
  /** When it may succeed, as far as that is known. */
  readonly retryAfterMs?: number

  constructor(
    code: ErrorCode,
    detail: string,
    options?: {
      readonly cause?: unknown
      readonly retryAfterMs?: number
      /** Where what the catalogue says is of no help. */
      readonly hint?: string
    },
  ) {
    const known = ERROR_CATALOGUE[code]
    const hint = options?.hint ?? known.hint
    super(`${detail} (${code}). ${hint}`, options)
    this.code = code
    this.retryable = known.retryable
    this.hint = hint
    if (options?.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }

  get httpStatus(): number {
    return ERROR_CATALOGUE[this.code].httpStatus
  }
}
