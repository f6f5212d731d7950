/** Puts the app together: the routes, their documentation, and health. */
import { readFileSync } from 'node:fs'
import { HttpApp, type HttpAppOptions } from './app.ts'
import { docsPages } from './docs-page.ts'
import { openApiOf } from './open-api.ts'
import type { OpenApiDocument } from './open-api-document.ts'
import type { Page, Route } from './route.ts'
import { ROUTES } from './route-table.ts'

export interface AppParts extends Omit<HttpAppOptions, 'routes' | 'pages'> {
  readonly routes?: readonly Route[]
  readonly pages?: readonly Page[]
}

/** Whoever looks at the port is told what it is. */
const SOCKETS: Page = {
  path: '/',
  isPublic: true,
  answer: async () => ({
    status: 426,
    type: 'text/plain',
    headers: { upgrade: 'websocket' },
    body: 'This port speaks WebSocket to workers, clients and nodes, and HTTP: see /docs, /healthz and /readyz.\n',
  }),
}

export async function appOf({ routes = [], pages = [], ...options }: AppParts): Promise<HttpApp> {
  const all = [...ROUTES, ...routes]
  const text = openApiText(all)
  // The one cast: the text was made of our own routes.
  const document = JSON.parse(text) as OpenApiDocument
  const app = new HttpApp({
    ...options,
    routes: all,
    pages: [SOCKETS, ...docsPages(document, text), ...pages],
  })
  await app.ready()
  return app
}

/** As it is served; `docs/openapi.json` is the same, formatted. */
export function openApiText(routes: readonly Route[]): string {
  return `${JSON.stringify(openApiOf(routes, packageVersion()), null, 2)}\n`
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  return version
}
