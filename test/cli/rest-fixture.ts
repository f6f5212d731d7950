/** An engine with access, an audit trail and webhooks, and command lines that are run on it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEngine, type Engine, silentLogger } from '../../src/index.ts'
import { sendLetter, workflows } from './order-workflows.ts'
import { type ProgramResult, type ProgramSettings, perdure, temporaryDirectory } from './store-fixture.ts'

export interface RestFixture extends AsyncDisposable {
  readonly engine: Engine
  readonly url: string
  readonly directory: string
  /** Of whoever may do everything. */
  readonly env: { readonly PERDURE_URL: string; readonly PERDURE_TOKEN: string }
  run(line: string, settings?: ProgramSettings): Promise<ProgramResult>
  /** What it prints; it must be fine. */
  said(line: string, settings?: ProgramSettings): Promise<string>
  /** The objects that it prints with `--json`. */
  json(line: string, settings?: ProgramSettings): Promise<readonly Record<string, unknown>[]>
  /** It must fail with this exit code, and say this on standard error alone. */
  refused(line: string, code: number, says: RegExp, settings?: ProgramSettings): Promise<void>
}

/** Words of a line; those between `'` are one. */
export function wordsOf(line: string): string[] {
  return (line.match(/(?:'[^']*'|[^\s'])+/g) ?? []).map((word) => word.replaceAll("'", ''))
}

export async function openRest(): Promise<RestFixture> {
  const directory = temporaryDirectory()
  const at = (name: string): string => join(directory.path, name)
  const engine = await createEngine({
    store: `sqlite:${at('engine.db')}`,
    logger: silentLogger,
    workflows,
    tasks: [sendLetter],
    queues: [{ name: 'closed', paused: true }],
    shutdownGrace: 0,
    access: { adminKeyFile: at('admin.key') },
    audit: { signingKeyFile: at('audit-key.pem') },
    webhooks: { allowPrivate: true },
  })
  const { url } = await engine.listen()
  const env = { PERDURE_URL: url, PERDURE_TOKEN: readFileSync(at('admin.key'), 'utf8').trim() }
  const run: RestFixture['run'] = (line, settings = {}) =>
    perdure(wordsOf(line), {
      directory: directory.path,
      columns: 200,
      ...settings,
      env: { ...env, ...settings.env },
    })
  const said: RestFixture['said'] = async (line, settings) => {
    const { code, stdout, stderr } = await run(line, settings)
    assert.equal(code, 0, `${line}: ${stderr}`)
    return stdout
  }
  return {
    engine,
    url,
    directory: directory.path,
    env,
    run,
    said,
    json: async (line, settings) => {
      const lines = (await said(`${line} --json`, settings)).split('\n').filter((each) => each !== '')
      return lines.map((each) => JSON.parse(each) as Record<string, unknown>)
    },
    refused: async (line, code, says, settings) => {
      const result = await run(line, settings)
      assert.deepEqual([result.code, result.stdout], [code, ''], `${line}: ${result.stderr}`)
      assert.match(result.stderr.replaceAll(/\s+/g, ' '), says)
    },
    [Symbol.asyncDispose]: async () => {
      await engine.close()
      directory.remove()
    },
  }
}
