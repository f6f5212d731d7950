/** Tasks run by programs that only speak HTTP: claimed, and their end told. */
import { isDeepStrictEqual } from 'node:util'
import { PerdureError } from '../../../protocol/errors.ts'
import type { Payload } from '../../../protocol/payload.ts'
import type { ClaimReply, ClaimReport } from '../../claims/claim-port.ts'
import { claimTokenOf } from '../../claims/claim-token.ts'
import { present } from '../present.ts'
import { type Answer, type RouteRequest, route } from '../route.ts'
import { claimRequest, claims, completion, failing, heartbeat, lease, tokenParam } from '../schemas/claims.ts'
import { queueParam } from '../schemas/queues.ts'

const TAG = 'Claimed tasks'
const LEASE_MS = 30_000
const RECORDED = { 204: { description: 'Recorded, and durable.' } }

async function tell(request: RouteRequest, token: string, report: ClaimReport): Promise<ClaimReply> {
  const { services, namespace, caller } = request
  const { access } = services
  // Whose token it is, is decided where the task is: who knows nothing of the namespace uses up nothing of it.
  if (access.isPermitted(caller, 'ReadNamespace', { type: 'Namespace', id: namespace, namespace }))
    access.useUp(namespace, () => [report])
  return await told(request, token, report)
}

function told(
  { services, namespace, caller }: RouteRequest,
  token: string,
  report: ClaimReport,
): Promise<ClaimReply> {
  return services.claims.tell({ token, namespace, caller: caller.id, report }, caller)
}

/** Nobody got them: they wait again at once. */
function giveBack(request: RouteRequest, tokens: readonly string[]): void {
  // Else their leases end it.
  for (const token of tokens) told(request, token, { kind: 'return' }).catch(() => {})
}

/** The task has been completed by this attempt, with this result: an earlier call did it, whose answer was lost. */
async function isRecorded(
  { namespace, port }: RouteRequest,
  token: string,
  result: Payload,
): Promise<boolean> {
  const { taskId: id, attempt } = claimTokenOf(token)
  try {
    const { status, attempts } = await port.tasks.describe({ namespace, id })
    if (status !== 'completed' || attempts !== attempt) return false
    const outcome = await port.tasks.outcome({ namespace, id })
    return outcome.status === 'completed' && isDeepStrictEqual(outcome.result, result)
  } catch (error) {
    // It is not there, or the caller may not look: nothing is known.
    if (error instanceof PerdureError) return false
    throw error
  }
}

export const claimRoutes = [
  route({
    method: 'POST',
    path: '/queues/{queue}/claims',
    operationId: 'claimTasks',
    tag: TAG,
    summary: 'Claim tasks of a queue, to run them',
    description:
      'The scheduling policy and the limits of the queue say which. Each claim has a lease: tell its end, or send heartbeats, before it is over. A claim is lost too when its node ends, or its queue moves to another node: then the task waits again.',
    params: queueParam,
    body: claimRequest,
    answers: { 200: { description: 'Tasks, as soon as there are some.', body: claims } },
    errors: ['OVERLOADED', 'FORBIDDEN'],
    needs: ['worker'],
    repeats:
      'A repeat claims other tasks; those of an answer that was lost wait again when their leases are over. A key is not looked at.',
    isSecret: true,
    run: async (request) => {
      const { namespace, params, body, services, caller, payloads, signal } = request
      const { worker, tasks, max = 1, waitMs = 0, leaseMs = LEASE_MS } = body
      const { queue } = params
      await services.access.assertWorker(caller, {
        type: 'hello',
        worker,
        namespace,
        queues: [queue],
        tasks,
        credits: max,
      })
      services.access.useUp(namespace)
      const found = await services.claims.take(
        {
          namespace,
          queue,
          worker,
          most: max,
          waitMs,
          leaseMs,
          caller: caller.id,
          tasks,
          ...present({ address: caller.address }),
        },
        signal,
      )
      const tokens = found.map(({ token }) => token)
      if (signal.aborted) giveBack(request, tokens)
      return {
        body: {
          claims: found.map(({ input, checkpoint, trace, ...rest }) => ({
            ...rest,
            ...trace,
            ...payloads.field('input', input),
            ...payloads.field('checkpoint', checkpoint),
          })),
        },
        onUndelivered: () => giveBack(request, tokens),
      } satisfies Answer
    },
  }),
  route({
    method: 'POST',
    path: '/claims/{token}/complete',
    operationId: 'completeClaim',
    tag: TAG,
    summary: 'Tell that a claimed task is done',
    params: tokenParam,
    body: completion,
    answers: RECORDED,
    errors: ['CLAIM_LOST', 'UNCOMMITTED', 'PAYLOAD_TOO_LARGE'],
    needs: ['worker'],
    repeats:
      'The token is the key: a repeat with the same result gets the same answer, as long as the task is kept. Of a task that an execution asked for nothing is kept but the event in its history: a repeat is answered the same while the node remembers it, else with `CLAIM_LOST`.',
    run: async (request) => {
      const { params, body, payloads } = request
      const result = payloads.taken(body.result, '/result')
      try {
        await tell(request, params.token, { kind: 'complete', result })
      } catch (error) {
        const isLost = error instanceof PerdureError && error.code === 'CLAIM_LOST'
        if (!isLost || !(await isRecorded(request, params.token, result))) throw error
      }
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/claims/{token}/fail',
    operationId: 'failClaim',
    tag: TAG,
    summary: 'Tell that a claimed task has failed',
    description: 'It is tried again as its retry policy says.',
    params: tokenParam,
    body: failing,
    answers: RECORDED,
    errors: ['CLAIM_LOST', 'UNCOMMITTED'],
    needs: ['worker'],
    repeats:
      'The token is the key: it counts once. A repeat is answered the same while the node remembers it, else with `CLAIM_LOST`.',
    run: async (request) => {
      const { params, body } = request
      const { name = 'Error', message, code, nonRetryable } = body
      await tell(request, params.token, {
        kind: 'fail',
        failure: {
          kind: 'application',
          name,
          message,
          ...present({ code }),
          ...(nonRetryable === true ? { nonRetryable } : {}),
        },
      })
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/claims/{token}/heartbeat',
    operationId: 'heartbeatClaim',
    tag: TAG,
    summary: 'Tell that a claimed task is still being run',
    description: 'Its lease begins anew.',
    params: tokenParam,
    body: heartbeat,
    answers: { 200: { description: 'The claim lives.', body: lease } },
    errors: ['CLAIM_LOST'],
    needs: ['worker'],
    repeats: 'Harmless.',
    run: async (request) => {
      const { params, body, payloads } = request
      const checkpoint =
        body.checkpoint === undefined ? undefined : payloads.taken(body.checkpoint, '/checkpoint')
      const report = { kind: 'heartbeat' as const, ...present({ checkpoint, progress: body.progress }) }
      return { body: await tell(request, params.token, report) }
    },
  }),
  route({
    method: 'POST',
    path: '/claims/{token}/return',
    operationId: 'returnClaim',
    tag: TAG,
    summary: 'Give a claimed task back',
    description: 'It waits again, and no attempt is counted.',
    params: tokenParam,
    answers: RECORDED,
    errors: ['CLAIM_LOST'],
    needs: ['worker'],
    repeats:
      'The token is the key: it counts once. A repeat is answered the same while the node remembers it, else with `CLAIM_LOST`.',
    run: async (request) => {
      await tell(request, request.params.token, { kind: 'return' })
      return { status: 204 }
    },
  }),
]
