/** Writes docs/perdure.cedarschema: `node --conditions=perdure-source test/access/write-schema.ts`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cedarSchema } from '../../src/server/access/cedar-schema.ts'

writeFileSync(join(import.meta.dirname, '../../docs/perdure.cedarschema'), cedarSchema())
