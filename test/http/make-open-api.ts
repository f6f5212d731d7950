/**
 * Writes `docs/openapi.json`, which is what an engine serves at `/openapi.json`.
 *
 *   node test/http/make-open-api.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openApiText } from '../../src/server/http/app-parts.ts'
import { ROUTES } from '../../src/server/http/route-table.ts'

writeFileSync(join(import.meta.dirname, '../../docs/openapi.json'), openApiText(ROUTES))
