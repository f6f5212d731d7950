/** Claims whose tasks are ended in the name of whoever tells it: that is recorded, in the commit of the change. */
import type { Engine } from '../../engine/engine.ts'
import { administered } from '../audit/audited-port.ts'
import type { ClaimPort, ClaimReport } from './claim-port.ts'
import { claimTokenOf } from './claim-token.ts'

/** What else is said of a claim changes nothing that lasts. */
const ACTIONS: Readonly<Partial<Record<ClaimReport['kind'], string>>> = {
  complete: 'CompleteTask',
  fail: 'FailTask',
}

/** The claims themselves if nothing is recorded. */
export function recordedClaims(claims: ClaimPort, engine: Pick<Engine, 'audit' | 'newRunId'>): ClaimPort {
  const { audit } = engine
  if (audit === undefined) return claims
  return {
    take: (request, signal) => claims.take(request, signal),
    tell: async (tell, teller) => {
      const action = ACTIONS[tell.report.kind]
      if (action === undefined || teller === undefined) return await claims.tell(tell)
      const { token, namespace } = tell
      const resource = { type: 'Task', id: claimTokenOf(token).taskId }
      const by = { audit, caller: teller, newRequestId: () => engine.newRunId() }
      return await administered(by, { action, namespace, resource }, () => claims.tell(tell))
    },
  }
}
