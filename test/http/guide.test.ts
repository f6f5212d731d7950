// The examples of docs/api.md, run by a shell with curl against the workflows of the guide.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createEngine, silentLogger, type Workflow } from '../../src/index.ts'

const root = join(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/api.md'), 'utf8')
const events = readFileSync(join(root, 'docs/events.md'), 'utf8')
/** Inside the package, so that the program imports it by its name. */
const folder = join(root, `.docs-programs-guide-${process.pid}`)

function blocksOf(language: string, page = guide): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(
    ([, text = '']) => text,
  )
}

function run(
  script: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number | null; readonly output: string; readonly errors: string }> {
  return new Promise((resolve, reject) => {
    // A curl that fails fails the script.
    const child = spawn('sh', ['-eu'], {
      env: { ...process.env, ...env, CURL_HOME: folder },
      timeout: 60_000,
    })
    const texts = { output: '', errors: '' }
    child.stdout.on('data', (chunk) => (texts.output += chunk))
    child.stderr.on('data', (chunk) => (texts.errors += chunk))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, ...texts }))
    child.stdin.end(script)
  })
}

describe('the guide of the API', () => {
  type Engine = Awaited<ReturnType<typeof createEngine>>
  let engine: Engine
  /** The one that asks who somebody is. */
  let closed: Engine
  let origin: string
  let closedOrigin: string
  const keyFile = join(folder, 'admin.key')
  before(async () => {
    mkdirSync(folder)
    writeFileSync(join(folder, '.curlrc'), 'silent\nshow-error\nfail-with-body\n')
    const [program = ''] = blocksOf('ts')
    writeFileSync(join(folder, 'orders.ts'), program)
    const { order } = (await import(join(folder, 'orders.ts'))) as { readonly order: Workflow }
    const settings = {
      store: 'memory',
      workflows: [order],
      logger: silentLogger,
      shutdownGrace: 0,
    } as const
    engine = await createEngine(settings)
    origin = (await engine.listen()).url.replace('ws', 'http')
    closed = await createEngine({ ...settings, access: { adminKeyFile: keyFile } })
    closedOrigin = (await closed.listen()).url.replace('ws', 'http')
  })
  after(async () => {
    await engine?.close()
    await closed?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('has commands, and each does what is said', async () => {
    const scripts = blocksOf('sh')
    assert.ok(scripts.length >= 3)
    const outputs: string[] = []
    const key = readFileSync(keyFile, 'utf8').trim()
    for (const script of scripts) {
      const isClosed = script.includes('PERDURE_TOKEN')
      const { status, output, errors } = await run(
        script.replaceAll('http://127.0.0.1:7233', isClosed ? closedOrigin : origin),
        isClosed ? { PERDURE_TOKEN: key } : {},
      )
      assert.equal(status, 0, `${script}\n${output}\n${errors}`)
      outputs.push(output)
    }
    assert.match(outputs[0] ?? '', /"started":true.*"reason":"signal"/s)
    assert.match(outputs[1] ?? '', /"result":\{"amount":12,"parcel":"parcel-7"\}.*event: end/s)
    assert.match(outputs[2] ?? '', /"id":"mail-1".*"done":0/s)
    assert.match(
      outputs[3] ?? '',
      /"name":"billing".*"executions":\[\].*"isAllowed":false.*api:freeze:1 forbids it/s,
    )
  })

  test('so has the guide of events', async () => {
    const outputs: string[] = []
    for (const script of blocksOf('sh', events)) {
      const { status, output, errors } = await run(script.replaceAll('http://127.0.0.1:7233', origin))
      assert.equal(status, 0, `${script}\n${output}\n${errors}`)
      outputs.push(output)
    }
    assert.match(outputs[0] ?? '', /"accepted":true/)
    assert.match(outputs[1] ?? '', /"secret":"whsec_/)
    const handled = await fetch(`${origin}/v1/executions/order-7/explain`)
    for (let i = 0; i < 200 && handled.status !== 200; i++) {
      await new Promise((resolve) => setTimeout(resolve, 25))
      if ((await fetch(`${origin}/v1/executions/order-7/explain`)).status === 200) return
    }
    assert.equal(handled.status, 200)
  })
})
