/** What `GET /metrics` answers, to those who may read it: its numbers are about all namespaces. */
import type { MetricsRegistry } from '../../platform/metrics.ts'
import { metricsText } from '../../platform/metrics-text.ts'
import type { Access } from '../access/access.ts'
import { RequestError } from '../http/problem.ts'
import type { Page } from '../http/route.ts'

export interface MetricsPageParts {
  /** Undefined: nothing is observed. */
  readonly registry: MetricsRegistry | undefined
  readonly access: Access
  /** Name of the node, for policies. */
  readonly node: string
}

export function metricsPage({ registry, access, node }: MetricsPageParts): Page {
  return {
    path: '/metrics',
    isPublic: false,
    answer: async ({ caller, accept }) => {
      if (caller === undefined) throw new Error('invariant: a page that is not public is asked by a caller')
      await access.assertMay(caller, 'ReadMetrics', { type: 'Node', id: node })
      if (registry === undefined)
        throw new RequestError(
          'ROUTE_NOT_FOUND',
          'this engine does not observe itself: its setting metrics is false, or it was started with --no-metrics',
        )
      const { contentType, text } = metricsText(registry, accept)
      return { type: contentType, body: text, headers: { vary: 'accept', 'cache-control': 'no-store' } }
    },
  }
}
