/** `/healthz` and `/readyz`: what load balancers and supervisors ask, without credentials and without a body of interest to others. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { EngineReadiness } from '../readiness.ts'

export interface HealthAnswer {
  readonly httpStatus: 200 | 503
  readonly body: Readonly<Record<string, string>>
}

/** Whether the process is worth keeping: only one that has failed must be started again. */
export function healthAnswer({ isFailed }: Pick<EngineReadiness, 'isFailed'>): HealthAnswer {
  return isFailed
    ? { httpStatus: 503, body: { status: 'failed' } }
    : { httpStatus: 200, body: { status: 'alive' } }
}

/** Whether it should be sent calls. */
export async function readinessAnswer(check: Pick<EngineReadiness, 'look'>): Promise<HealthAnswer> {
  const readiness = await check.look()
  if (readiness.isReady) {
    const { warning } = readiness
    return { httpStatus: 200, body: { status: 'ready', ...(warning === undefined ? {} : { warning }) } }
  }
  const { reason, message } = readiness
  return { httpStatus: 503, body: { status: 'not-ready', reason, message } }
}

/** False: the request is about something else. */
export function answersHealth(
  check: EngineReadiness,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  const [path] = (request.url ?? '').split('?')
  if (path !== '/healthz' && path !== '/readyz') return false
  const send = ({ httpStatus, body }: HealthAnswer): void => {
    const text = `${JSON.stringify(body)}\n`
    response.writeHead(httpStatus, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
    })
    response.end(request.method === 'HEAD' ? undefined : text)
  }
  if (path === '/healthz') send(healthAnswer(check))
  // It never rejects: what cannot be found out is not ready.
  else void readinessAnswer(check).then(send)
  return true
}
