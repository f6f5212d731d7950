/**
 * Loads `src/client.ts` into a context that has what browsers and edge runtimes have, and nothing of Node, and uses it there.
 * Started with `--experimental-vm-modules`, by web.test.ts.
 *
 *   node web-program.ts URL
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'

const WEB = {
  fetch,
  URL,
  TextEncoder,
  TextDecoder,
  AbortController,
  AbortSignal,
  crypto,
  performance,
  setTimeout,
  clearTimeout,
}

const context = vm.createContext({ ...WEB })
const modules = new Map<string, vm.Module>()

function load(address: string): vm.Module {
  const known = modules.get(address)
  if (known !== undefined) return known
  assert.match(address, /^file:/, `${address} is a module of Node`)
  const text = readFileSync(fileURLToPath(address), 'utf8')
  const code = address.endsWith('.ts') ? stripTypeScriptTypes(text) : text
  const module = new vm.SourceTextModule(code, { context, identifier: address })
  modules.set(address, module)
  return module
}

const program = `
import { createClient, PerdureError, signal, workflow } from '${new URL('../../src/client.ts', import.meta.url).href}'
if (typeof process !== 'undefined' || typeof Buffer !== 'undefined') throw new Error('Node is here')
const waiting = workflow({ name: 'waiting', run: () => undefined })
const go = signal('go')
const client = createClient({ url: '${process.argv[2]}' })
const execution = await client.start(waiting, undefined, { id: 'web' + 'ü'.repeat(200) })
const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i % 251)
await execution.signal(go, { bytes, at: new Date(5), map: new Map([[1n, new Set(['a'])]]), nothing: undefined })
const came = await execution.result()
const events = []
for await (const { event } of execution.watch()) events.push(event.type)
let code = ''
try { await client.execution(waiting, 'none').describe() } catch (error) { code = error instanceof PerdureError ? error.code : String(error) }
export const found = {
  sameBytes: came.bytes.length === bytes.length && came.bytes.every((byte, i) => byte === bytes[i]),
  at: came.at.getTime(), inMap: came.map.get(1n).has('a'), hasNothing: 'nothing' in came, last: events.at(-1), code,
}
`

const main = new vm.SourceTextModule(program, { context, identifier: import.meta.url })
await main.link((specifier, { identifier }) => load(import.meta.resolve(specifier, identifier)))
await main.evaluate()
console.log(JSON.stringify((main.namespace as { readonly found: object }).found))
