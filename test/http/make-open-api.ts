/**
 * Writes `docs/openapi.json`, which is what an engine serves at `/openapi.json`.
 *
 *   node --conditions=perdure-source test/http/make-open-api.ts
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openApiText } from '../../src/server/http/app-parts.ts'
import { ROUTES } from '../../src/server/http/route-table.ts'

const root = join(import.meta.dirname, '../..')
const path = join(root, 'docs/openapi.json')
writeFileSync(path, openApiText(ROUTES))
const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
execFileSync(process.execPath, [biome, 'format', '--write', path], { cwd: root, stdio: 'inherit' })
