// The OpenAPI document, the pages made of it, and the guide: each has all routes, and says what the routes do.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CLIENT_METHODS } from '../../src/protocol/client-messages.ts'
import { openApiText } from '../../src/server/http/app-parts.ts'
import { exampleOf } from '../../src/server/http/docs-example.ts'
import type { OpenApiDocument } from '../../src/server/http/open-api-document.ts'
import { ROUTES } from '../../src/server/http/route-table.ts'
import { bodyCheck } from '../../src/server/http/validation.ts'
import { HttpFixture } from './http-fixture.ts'

const root = join(import.meta.dirname, '../..')
const text = openApiText(ROUTES)
const document = JSON.parse(text) as OpenApiDocument

describe('the OpenAPI document', () => {
  test('is in the repository as it is served: `node test/http/make-open-api.ts` writes it', () => {
    assert.deepEqual(JSON.parse(readFileSync(join(root, 'docs/openapi.json'), 'utf8')), document)
  })

  test('has each route once, and refers to nothing that it lacks', () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    )
    assert.deepEqual(ids.toSorted(), ROUTES.map(({ operationId }) => operationId).toSorted())
    assert.equal(new Set(ids).size, ids.length)
    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      assert.ok(Object.hasOwn(document.components.schemas, name), name)
    for (const { path, params = {} } of ROUTES)
      assert.deepEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        Object.keys(params),
        path,
      )
  })

  test('says of each operation what it needs, and of each that changes something what a repeat does', () => {
    const reads = new Set(['queryExecution', 'explainAccess'])
    for (const { operationId, method, needs, repeats } of ROUTES) {
      assert.ok(needs.length > 0, operationId)
      assert.equal(repeats !== undefined, method !== 'GET' && !reads.has(operationId), operationId)
    }
    const needed = new Set(ROUTES.flatMap(({ needs }) => needs))
    const missing = Object.keys(CLIENT_METHODS).filter(
      (name) => !needed.has(name as keyof typeof CLIENT_METHODS),
    )
    assert.deepEqual(missing, [], 'calls of clients that no route makes')
  })

  test('the example of each operation fits its schema', () => {
    for (const { method, path, body, operationId } of ROUTES) {
      if (body === undefined) continue
      const operation = document.paths[`/v1${path}`]?.[method.toLowerCase()]
      assert.ok(operation !== undefined)
      const schema = operation.requestBody?.content['application/json']?.schema
      const example = exampleOf({
        ...operation,
        method,
        path,
        body: schema,
        schemas: document.components.schemas,
      })
      const [, sent = ''] = /-d '(.*)'$/.exec(example) ?? []
      assert.doesNotThrow(() => bodyCheck(body)(JSON.parse(sent)), `${operationId}: ${sent}`)
    }
  })

  test('the guide tells of each operation', () => {
    const guide = readFileSync(join(root, 'docs/api.md'), 'utf8')
    const missing = ROUTES.filter(({ method, path }) => !guide.includes(`\`${method} /v1${path}\``))
    assert.deepEqual(
      missing.map(({ method, path }) => `${method} /v1${path}`),
      [],
    )
  })
})

describe('the pages of the documentation', () => {
  let on: HttpFixture
  before(async () => {
    on = await HttpFixture.open({ store: 'memory' })
  })
  after(() => on[Symbol.asyncDispose]())

  test('have all operations, schemas and errors, without anything from elsewhere', async () => {
    for (const path of ['/docs', '/docs/schemas', '/docs/errors', '/docs/style.css', '/openapi.json']) {
      const { status, text: page, headers } = await on.call('GET', path)
      assert.equal(status, 200)
      assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src 'self'/)
      if (path === '/openapi.json') assert.equal(page, text)
      assert.doesNotMatch(page, /<script|style=|(?:src|href)="(?!\/docs|#|\/openapi\.json)/)
    }
    const { text: page } = await on.call('GET', '/docs')
    for (const { operationId } of ROUTES)
      assert.ok(page.includes(`<details id="${operationId}">`), operationId)
    const { text: errors } = await on.call('GET', '/docs/errors')
    assert.match(errors, /id="EXECUTION_NOT_FOUND"/)
  })
})
