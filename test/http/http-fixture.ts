/** An engine over SQLite that is asked over HTTP; each answer is held against what the OpenAPI document says of it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import {
  createEngine,
  type EngineSettings,
  query,
  signal,
  silentLogger,
  task,
  update,
  workflow,
} from '../../src/index.ts'
import type { Route } from '../../src/server/http/route.ts'
import { ROUTES } from '../../src/server/http/route-table.ts'
import { registerFormats } from '../../src/server/http/schemas/values.ts'
import type { ListenOptions } from '../../src/server/listen/listen-options.ts'

export const go = signal<unknown>('go')
export const state = query<string>('state')
export const add = update<number, number>('add')

/** Waits for `go`, and returns what came with it. */
export const waiting = workflow({
  name: 'waiting',
  run: async (ctx, input: unknown) => {
    let sum = 0
    ctx.onQuery(state, () => `waits, with ${sum}`)
    ctx.onUpdate(add, (more) => {
      sum += more
      return sum
    })
    const came = await ctx.waitFor(go)
    return { input: input ?? null, came: came ?? null, sum }
  },
})
/** The same under another name. */
export const workflowOf = (name: string) =>
  workflow({ name, run: async (ctx) => (await ctx.waitFor(go)) ?? null })
export const failing = workflow({
  name: 'failing',
  run: (ctx) =>
    ctx.step(
      'never',
      () => {
        throw new RangeError('out of range')
      },
      { retry: { maxAttempts: 1 } },
    ),
})
export const quick = workflow({ name: 'quick', run: async (_, value: unknown) => value })
/** So many runs, one after the other. */
export const counting = workflow({
  name: 'counting',
  run: async (ctx, left: number): Promise<number> => (left === 0 ? 0 : ctx.continueAsNew(left - 1)),
})
export const delegating = workflow({
  name: 'delegating',
  run: (ctx, value: number): Promise<number> => ctx.task(outside, value),
})
export const approving = workflow({
  name: 'approving',
  run: (ctx) => ctx.humanTask({ title: 'Check it', candidateUsers: ['ann'] }),
})
export const square = task({ name: 'square', run: (_, value: number) => value * value })
/** No engine has it: it is run over HTTP. */
export const outside = task({ name: 'outside', queue: 'outside', run: (_, value: number) => value })

export interface Called {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // What is in an answer is looked at by the tests.
  // biome-ignore lint/suspicious/noExplicitAny: JSON of an answer
  readonly body: any
}

export interface CallOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export class HttpFixture implements AsyncDisposable {
  readonly engine: Awaited<ReturnType<typeof createEngine>>
  readonly base: string
  /** Operations that were asked for, and answered as they should be. */
  readonly asked = new Set<string>()
  readonly #folder: string | undefined

  private constructor(engine: HttpFixture['engine'], url: string, folder: string | undefined) {
    this.engine = engine
    this.base = url.replace('ws', 'http')
    this.#folder = folder
  }

  /** @param file of the store; default: a new one, which goes with the fixture */
  static async open(
    settings: Partial<EngineSettings> = {},
    listen: ListenOptions = {},
    file?: string,
  ): Promise<HttpFixture> {
    const folder = file === undefined ? mkdtempSync(join(tmpdir(), 'perdure-http-')) : undefined
    const engine = await createEngine({
      store: `sqlite:${file ?? join(folder ?? '', 'store.db')}`,
      workflows: [waiting, failing, quick, counting, delegating, approving],
      tasks: [square],
      logger: silentLogger,
      shutdownGrace: 0,
      ...settings,
    })
    const { url } = await engine.listen(listen)
    return new HttpFixture(engine, url, folder)
  }

  async call(
    method: string,
    path: string,
    { body, headers = {}, signal: until }: CallOptions = {},
  ): Promise<Called> {
    const response = await fetch(this.base + path, {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(until === undefined ? {} : { signal: until }),
    })
    const text = await response.text()
    const type = response.headers.get('content-type') ?? ''
    const called = {
      status: response.status,
      headers: response.headers,
      text,
      body: /[/+]json\b/.test(type) ? JSON.parse(text) : undefined,
    }
    this.#check(method, path, called)
    return called
  }

  /** The same, which must be answered with this status. */
  async ok(status: number, method: string, path: string, options?: CallOptions): Promise<Called['body']> {
    const called = await this.call(method, path, options)
    assert.equal(called.status, status, `${method} ${path}: ${called.text}`)
    return called.body
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close()
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }

  #check(method: string, path: string, { status, body, text, headers }: Called): void {
    const [plain = ''] = path.split('?')
    const route = routeOf(method, plain)
    if (route === undefined) return
    const spec = route.answers[status]
    if (spec === undefined) {
      assert.ok(status >= 400, `${route.operationId} answers ${status}, which is not documented: ${text}`)
      assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
      return
    }
    this.asked.add(route.operationId)
    if (spec.body === undefined) assert.equal(text, '', route.operationId)
    else if (spec.mediaType === undefined) assertFits(spec.body, body, route.operationId)
  }
}

export function routeOf(method: string, path: string): Route | undefined {
  return ROUTES.find(
    (route) =>
      route.method === method && new RegExp(`^/v1${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
  )
}

const validators = new Map<TSchema, ReturnType<typeof Compile>>()

export function assertFits(schema: TSchema, value: unknown, what: string): void {
  registerFormats()
  const validator = validators.get(schema) ?? Compile(schema)
  validators.set(schema, validator)
  assert.ok(
    validator.Check(value),
    `${what}: ${JSON.stringify(validator.Errors(value))} in ${JSON.stringify(value)}`,
  )
}
