/** All routes of the REST API. */
import type { Route } from './route.ts'
import { accessRoutes } from './routes/access.ts'
import { apiKeyRoutes } from './routes/api-keys.ts'
import { auditRoutes } from './routes/audit.ts'
import { automationRoutes } from './routes/automation.ts'
import { bulkRoutes } from './routes/bulk.ts'
import { claimRoutes } from './routes/claims.ts'
import { clusterRoutes } from './routes/cluster.ts'
import { executionCallRoutes } from './routes/execution-calls.ts'
import { executionRoutes } from './routes/executions.ts'
import { humanTaskRoutes } from './routes/human-tasks.ts'
import { namespaceRoutes } from './routes/namespaces.ts'
import { queueRoutes } from './routes/queues.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { taskRoutes } from './routes/tasks.ts'

export const ROUTES: readonly Route[] = [
  ...executionRoutes,
  ...executionCallRoutes,
  ...taskRoutes,
  ...queueRoutes,
  ...claimRoutes,
  ...humanTaskRoutes,
  ...scheduleRoutes,
  ...bulkRoutes,
  ...automationRoutes,
  ...clusterRoutes,
  ...auditRoutes,
  ...apiKeyRoutes,
  ...accessRoutes,
  ...namespaceRoutes,
]
