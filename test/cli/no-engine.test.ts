/** Commands over the REST API, at something that answers and is no engine. */
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openRest, type RestFixture } from './rest-fixture.ts'

/** What is answered, by the first part of the path. */
const ANSWERS: Readonly<Record<string, readonly [number, string, string]>> = {
  page: [200, 'text/html', '<html>\n</html>\n'],
  empty: [200, 'application/json', ''],
  object: [200, 'application/json', '{}'],
  strange: [999, 'text/plain', 'strange'],
}

let on: RestFixture
let server: Server
let base: string
before(async () => {
  on = await openRest()
  server = createServer(({ url = '' }, answer) => {
    const [status, type, text] = ANSWERS[url.split('/')[1] ?? ''] ?? [404, 'text/plain', '']
    answer.writeHead(status, { 'content-type': type }).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(async () => {
  server.close()
  await on[Symbol.asyncDispose]()
})

for (const [line, answer, says] of [
  ['tasks', 'empty', /GET \/v1\/tasks is no engine: it sent no JSON/],
  ['tasks show a', 'empty', /is no engine/],
  ['access keys create ci', 'empty', /is no engine/],
  ['tasks', 'page', /is no engine/],
  ['access keys', 'object', /the answer to GET \/v1\/api-keys has no keys/],
  ['access roles list', 'object', /has no bindings/],
  ['access policies list', 'object', /has no policies/],
  ['namespaces', 'object', /has no namespaces/],
  ['events rules', 'object', /has no rules/],
  ['webhooks', 'object', /has no webhooks/],
  ['bulk cancel --all', 'object', /has no executions/],
  ['namespaces', 'strange', /GET \/v1\/namespaces was not answered/],
  ['audit export', 'page', /GET \/v1\/audit\/export is no engine/],
  // Not: that the trail was changed.
  ['audit verify --unsigned', 'page', /GET \/v1\/audit\/export is no engine/],
] as const)
  test(`${line}: the answer is ${answer}`, () => on.refused(`${line} --url ${base}/${answer}`, 1, says))

test('whoever waits for a result does not ask for ever', () =>
  on.refused(
    `tasks result a --url ${base}/object`,
    1,
    /the answer to GET \/v1\/tasks\/a\/result has no status/,
  ))

test('no message shows the token of a claim', async () => {
  writeFileSync(join(on.directory, 'claim.json'), '{"token":"secret-of-the-claim"}')
  for (const url of [`${base}/page`, `${base}/none`, 'ws://127.0.0.1:1'])
    await on.refused(
      `tasks complete claim.json --url ${url}`,
      1,
      /^(?!.*secret-of-the-claim).*POST \/v1\/claims\/…\/complete/,
    )
})
