/** The REST API of a real engine with access, asked without sockets, in two namespaces that know nothing of each other. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { silentLogger } from '../../src/index.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { Logger } from '../../src/platform/logger.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import type { ClientPort } from '../../src/protocol/client-port.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'
import type { AccessSettings } from '../../src/server/access/access-settings.ts'
import type { EngineAccess } from '../../src/server/access/open-closed-access.ts'
import { TrailDesk } from '../../src/server/audit/trail-desk.ts'
import { Automation } from '../../src/server/automation.ts'
import { ClaimDesk } from '../../src/server/claims/claim-desk.ts'
import type { HttpApp } from '../../src/server/http/app.ts'
import { appOf } from '../../src/server/http/app-parts.ts'
import { EventStreams } from '../../src/server/http/event-streams.ts'
import { checkedHttpSettings } from '../../src/server/http/http-settings.ts'
import { ClientOrigins } from '../../src/server/listen/client-origin.ts'
import { type OpenedEngine, openEngine } from '../../src/server/open-engine.ts'
import { WebhookTests } from '../../src/server/webhooks/webhook-tests.ts'
import { temporaryFolder } from '../audit/audited-engine.ts'
import { approving, failing, quick, square, waiting } from './http-fixture.ts'

export const OWN = 'billing'
export const FOREIGN = 'shipping'
/** Nobody has made it. */
export const MISSING = 'nowhere'

export const RULES: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }

interface Parts {
  readonly opened: OpenedEngine
  readonly access: EngineAccess
  readonly app: HttpApp
  readonly desk: ClaimDesk
  readonly streams: EventStreams
}

export class InjectFixture implements AsyncDisposable {
  readonly access: EngineAccess
  readonly app: HttpApp
  readonly desk: ClaimDesk
  readonly streams: EventStreams
  /** May do everything. */
  readonly port: ClientPort
  readonly #opened: OpenedEngine

  private constructor({ opened, access, app, desk, streams }: Parts) {
    this.#opened = opened
    this.access = access
    this.app = app
    this.desk = desk
    this.streams = streams
    this.port = access.closed.portOf(RULES)
  }

  static async open(settings: AccessSettings = {}, logger: Logger = silentLogger): Promise<InjectFixture> {
    const folder = temporaryFolder()
    const opened = await openEngine(
      {
        store: 'memory',
        workflows: [waiting, failing, quick, approving],
        tasks: [square],
        logger: silentLogger,
        shutdownGrace: 0,
        access: settings,
        audit: { signingKeyFile: join(folder.path, 'audit-key.pem') },
      },
      {},
    )
    // It is read when the engine is made.
    folder[Symbol.dispose]()
    const { access, engine, audit: trail } = opened
    assert.ok(access !== undefined && trail !== undefined)
    const http = checkedHttpSettings({}, DEFAULT_LIMITS.payloadBytes)
    const desk = new ClaimDesk({ engine, clock: systemClock, logger: silentLogger })
    const streams = new EventStreams({ most: 1000, answerMs: http.limits.answerMs, commentMs: 15_000 })
    const { closed } = access
    const app = await appOf({
      access: closed,
      logger,
      settings: http,
      isHostChecked: false,
      origins: new ClientOrigins({}),
      services: {
        access: closed,
        administration: access,
        limits: DEFAULT_LIMITS,
        http: http.limits,
        claims: desk,
        automation: new Automation({ engine, access: closed, port: opened.calls, allowPrivate: false }),
        webhookTests: new WebhookTests({
          ...{ engine, access: closed, allowPrivate: false, tickMs: () => performance.now() },
          // Nothing leaves this process.
          call: async () => ({ status: 204, headers: {}, body: Buffer.alloc(0) }),
        }),
        streams,
        trail: new TrailDesk({ access: closed, trail }),
      },
    })
    const fixture = new InjectFixture({ opened, access, app, desk, streams })
    for (const name of [OWN, FOREIGN]) await access.namespaces.create(RULES, name)
    return fixture
  }

  inject(request: InjectOptions): Promise<LightMyRequestResponse> {
    return this.app.inject(request)
  }

  /** A key with these roles, for the header `authorization`. */
  async bearer(
    roles: readonly string[],
    user?: string,
  ): Promise<{ readonly id: string; readonly header: string }> {
    const of = user === undefined ? {} : { user }
    const { id, key } = await this.access.admin.createKey(RULES, {
      name: roles.join() || 'none',
      roles,
      ...of,
    })
    return { id, header: `Bearer ${key}` }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.streams.end()
    this.desk.close()
    await this.#opened.close()
  }
}
