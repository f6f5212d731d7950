/**
 * Answers the requests of a door that ask for no WebSocket. What it takes (Fastify, the schemas) is loaded with the first of them: an
 * engine that nobody asks over HTTP is as light as before.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Logger } from '../../platform/logger.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { Access } from '../access/access.ts'
import type { EngineAccess } from '../access/open-closed-access.ts'
import type { TrailDesk } from '../audit/trail-desk.ts'
import type { Automation } from '../automation.ts'
import type { ClaimPort } from '../claims/claim-port.ts'
import type { ClientOrigins } from '../listen/client-origin.ts'
import type { WebhookTests } from '../webhooks/webhook-tests.ts'
import type { HttpApp } from './app.ts'
import { EventStreams } from './event-streams.ts'
import type { CheckedHttpSettings } from './http-settings.ts'
import type { Page, Route } from './route.ts'

export interface ServeHttpParts {
  readonly access: Access
  /** Undefined: nobody is asked who they are, or the engine is not open yet. */
  readonly administration: () => EngineAccess | undefined
  readonly logger: Logger
  readonly limits: Limits
  readonly claims: ClaimPort
  readonly automation: Automation
  readonly webhookTests: WebhookTests
  /** Undefined: nothing is recorded. */
  readonly trail?: TrailDesk | undefined
  /** Beside those of the table. */
  readonly routes?: readonly Route[]
  /** Outside of `/v1`, such as `/metrics`. */
  readonly pages?: readonly Page[]
}

export interface ServeHttpDoor {
  readonly settings: CheckedHttpSettings
  readonly origins: ClientOrigins
  /** The door has no TLS, asks for no credentials, and is on loopback. */
  readonly isHostChecked: boolean
}

export interface ServedHttp {
  readonly listener: RequestListener
  /** Streams end: their readers come again, and go on elsewhere. */
  end(): void
}

export function serveHttp(parts: ServeHttpParts, door: ServeHttpDoor): ServedHttp {
  const { limits: http } = door.settings
  const streams = new EventStreams({ most: http.streams, answerMs: http.answerMs, commentMs: http.commentMs })
  let app: Promise<HttpApp> | undefined
  let loaded: HttpApp | undefined
  const load = async (): Promise<HttpApp> => {
    const { appOf } = await import('./app-parts.ts')
    const { access, administration, limits, claims, automation, webhookTests, trail } = parts
    const services = {
      access,
      limits,
      http,
      claims,
      automation,
      webhookTests,
      streams,
      trail,
      get administration() {
        return administration()
      },
    }
    return appOf({ ...parts, ...door, services })
  }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    app ??= load()
    loaded = await app
    loaded.handle(request, response)
  }
  return {
    listener: (request, response) => {
      if (loaded !== undefined) {
        loaded.handle(request, response)
        return
      }
      answer(request, response).catch((error: unknown) => {
        parts.logger.error('the HTTP side of a door could not be loaded', { error })
        response.destroy()
      })
    },
    end: () => streams.end(),
  }
}
