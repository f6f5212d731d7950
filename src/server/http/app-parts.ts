/** Puts the app together: the routes, their documentation, and health. */
import { readFileSync } from 'node:fs'
import { HttpApp, type HttpAppOptions } from './app.ts'
import { docsPages } from './docs-page.ts'
import { openApiOf } from './open-api.ts'
import type { OpenApiDocument } from './open-api-document.ts'
import type { Page, PageAnswer, Route } from './route.ts'
import { ROUTES } from './route-table.ts'

export interface AppParts extends Omit<HttpAppOptions, 'routes' | 'pages'> {
  readonly routes?: readonly Route[]
  readonly pages?: readonly Page[]
}

/** Whoever looks at the port is told what it is; browsers go to the pages. */
const SOCKETS: Page = {
  path: '/',
  isPublic: true,
  answer: async ({ accept = '' }) =>
    /\btext\/html\b/i.test(accept)
      ? toDocs({ vary: 'accept' })
      : {
          status: 426,
          type: 'text/plain',
          headers: { upgrade: 'websocket', vary: 'accept' },
          body: 'This port speaks WebSocket to workers, clients and nodes, and HTTP: see /docs, /healthz and /readyz.\n',
        },
}
const DOCS_FOLDER: Page = { path: '/docs/', isPublic: true, answer: async () => toDocs() }

function toDocs(headers: Readonly<Record<string, string>> = {}): PageAnswer {
  return { status: 302, type: 'text/plain', headers: { ...headers, location: '/docs' }, body: 'See /docs.\n' }
}

export async function appOf({ routes = [], pages = [], ...options }: AppParts): Promise<HttpApp> {
  const all = [...ROUTES, ...routes]
  const text = openApiText(all)
  // The one cast: the text was made of our own routes.
  const document = JSON.parse(text) as OpenApiDocument
  const app = new HttpApp({
    ...options,
    routes: all,
    pages: [SOCKETS, DOCS_FOLDER, ...docsPages(document, text), ...pages],
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
