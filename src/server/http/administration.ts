/** Who may do what, for the routes that administer it. */
import type { EngineAccess } from '../access/open-closed-access.ts'
import { RequestError } from './problem.ts'
import type { RouteRequest } from './route.ts'

/** @throws RequestError `ROUTE_NOT_FOUND`: there is nothing to administer */
export function administrationOf({ services }: RouteRequest): EngineAccess {
  if (services.administration !== undefined) return services.administration
  throw new RequestError(
    'ROUTE_NOT_FOUND',
    'this engine asks nobody who they are, so it has no keys, roles, policies and namespaces to administer: start it with --access, or createEngine({ access })',
  )
}
