/**
 * Which requests a balancer may ask again of another node although the first one has got them: those whose `Idempotency-Key` counts.
 *
 * On other routes a key is not looked at, and a repeat may do something twice, such as replace a secret: there a key changes nothing.
 */

const PATHS = [
  'executions',
  'executions/[^/]+/(signal-with-start|signals/[^/]+|updates/[^/]+)',
  'tasks',
  'human-tasks/[^/]+/actions',
  'schedules',
  'schedules/[^/]+/trigger',
  'bulk/(tasks|executions/signal)',
]

/** Of a path without its query, for nginx and HAProxy alike. No space, quote, semicolon or brace is in it: neither needs an escape. */
export const REPEATABLE_PATH = `/v1/(${PATHS.join('|')})`
