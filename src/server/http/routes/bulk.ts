/** One operation on all executions that a filter selects, a page at a time. */
import type { ClientPort, ExecutionTarget, ListQuery } from '../../../protocol/client-port.ts'
import { PerdureError } from '../../../protocol/errors.ts'
import type { ExecutionStatus } from '../../../protocol/execution-status.ts'
import { failureOf } from '../../../protocol/failure.ts'
import { Cursors } from '../cursors.ts'
import { requestIdOf } from '../idempotency.ts'
import { type Answer, type RouteRequest, route } from '../route.ts'
import { bulkDone, bulkFields, reason, signalFields } from '../schemas/executions.ts'
import { asked, name } from '../schemas/values.ts'
import { CLOSED_STATUSES, OPEN_STATUSES, RETRIED_STATUSES } from './bulk-statuses.ts'

const TAG = 'Bulk operations'
const LIMIT = 100
/** Calls at a time. */
const CONCURRENCY = 32

interface BulkBody {
  readonly filter: Omit<ListQuery, 'namespace' | 'limit' | 'cursor'>
  readonly limit?: number
  readonly cursor?: string
}

interface BulkFailure {
  readonly id: string
  readonly runId: string
  readonly code: string
  readonly detail: string
}

/** @param statuses in which it can be done */
async function forAll(
  { namespace, port, signal }: RouteRequest,
  { filter, limit = LIMIT, cursor }: BulkBody,
  {
    kind,
    statuses,
    call,
  }: {
    readonly kind: string
    readonly statuses: readonly ExecutionStatus[]
    readonly call: (port: ClientPort, target: ExecutionTarget) => Promise<void>
  },
): Promise<Answer> {
  const cursors = new Cursors(`bulk:${kind}`, { namespace, ...filter })
  const page = await port.list({ namespace, status: statuses, ...filter, limit, ...cursors.taken(cursor) })
  const failed: BulkFailure[] = []
  const left = [...page.executions]
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined && !signal.aborted; next = left.shift()) {
      const { key, runId } = next
      try {
        await call(port, { key, runId })
      } catch (error) {
        // What holds for all of them is no news of one.
        if (!(error instanceof PerdureError) || error.httpStatus === 401 || error.httpStatus === 403)
          throw error
        failed.push({ id: key.workflowId, runId, code: error.code, detail: failureOf(error).message })
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  return { body: { done: page.executions.length - failed.length, failed, ...cursors.field(page.cursor) } }
}

const ANSWERS = { 200: { description: 'What was done, and what could not be.', body: bulkDone } }
const AGAIN =
  'A repeat does it to those that the filter selects then, which is harmless: it is done once to each. A key is not looked at.'

export const bulkRoutes = [
  route({
    method: 'POST',
    path: '/bulk/executions/cancel',
    operationId: 'cancelExecutions',
    tag: TAG,
    summary: 'Ask the executions that a filter selects to stop',
    body: asked({ ...bulkFields, ...reason }),
    answers: ANSWERS,
    needs: ['list', 'cancel'],
    repeats: AGAIN,
    run: (request) =>
      forAll(request, request.body, {
        kind: 'cancel',
        statuses: OPEN_STATUSES,
        call: (port, target) => port.cancel(target, request.body.reason ?? 'cancelled by a client'),
      }),
  }),
  route({
    method: 'POST',
    path: '/bulk/executions/terminate',
    operationId: 'terminateExecutions',
    tag: TAG,
    summary: 'End the executions that a filter selects at once',
    body: asked({ ...bulkFields, ...reason }),
    answers: ANSWERS,
    needs: ['list', 'terminate'],
    repeats: AGAIN,
    run: (request) =>
      forAll(request, request.body, {
        kind: 'terminate',
        statuses: OPEN_STATUSES,
        call: (port, target) => port.terminate(target, request.body.reason ?? 'terminated by a client'),
      }),
  }),
  route({
    method: 'POST',
    path: '/bulk/executions/retry',
    operationId: 'retryExecutions',
    tag: TAG,
    summary: 'Continue the failed or parked executions that a filter selects',
    body: asked(bulkFields),
    answers: ANSWERS,
    needs: ['list', 'retry'],
    repeats: 'A repeat retries those that have failed anew. A key is not looked at.',
    run: (request) =>
      forAll(request, request.body, {
        kind: 'retry',
        statuses: RETRIED_STATUSES,
        call: (port, target) => port.retry(target),
      }),
  }),
  route({
    method: 'POST',
    path: '/bulk/executions/delete',
    operationId: 'deleteExecutions',
    tag: TAG,
    summary: 'Delete the executions that a filter selects, of those that have ended',
    body: asked(bulkFields),
    answers: ANSWERS,
    needs: ['list', 'delete'],
    repeats: AGAIN,
    run: (request) =>
      forAll(request, request.body, {
        kind: 'delete',
        statuses: CLOSED_STATUSES,
        call: (port, target) => port.delete(target),
      }),
  }),
  route({
    method: 'POST',
    path: '/bulk/executions/signal',
    operationId: 'signalExecutions',
    tag: TAG,
    summary: 'Send a signal to the executions that a filter selects',
    body: asked({ ...bulkFields, signal: asked({ name: name('Of the signal.'), ...signalFields }) }),
    answers: ANSWERS,
    needs: ['list', 'signal'],
    repeats:
      'The key, or `requestId`, is that of the signal: a repeat reaches those that the filter selects then, and each run records it once.',
    run: async (request) => {
      const { signal, ...rest } = request.body
      const { idempotencyKey, port, payloads } = request
      const requestId =
        requestIdOf(idempotencyKey, signal.requestId, 'signal/requestId') ?? port.newRequestId()
      const payload = payloads.taken(signal.payload, '/signal/payload')
      return forAll(request, rest, {
        kind: 'signal',
        statuses: OPEN_STATUSES,
        call: (of, target) => of.signal(target, signal.name, payload, requestId),
      })
    },
  }),
]
