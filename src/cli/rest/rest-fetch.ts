/** `fetch` over Node's HTTP, which takes certificates and authorities of a command; that of Node takes them from nowhere. */
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Readable } from 'node:stream'
import type { TlsMaterial } from '../../platform/tls.ts'

/** Statuses whose answers have no body (Fetch, 2.2.3). */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])
const UNKNOWN_AUTHORITY = /^(SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF))/

export function restFetch(tls: TlsMaterial | undefined): typeof globalThis.fetch {
  return (input, { method = 'GET', headers, body, signal } = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(String(input))
      const isSecure = url.protocol === 'https:'
      const call = (isSecure ? requestHttps : requestHttp)(
        url,
        {
          method,
          headers: Object.fromEntries(new Headers(headers)),
          // A connection that is kept would keep the process.
          agent: false,
          ...(signal ? { signal } : {}),
          ...(isSecure ? tls : {}),
        },
        (answer) => {
          const { statusCode = 0, headersDistinct } = answer
          const shown = new Headers()
          for (const [name, values = []] of Object.entries(headersDistinct))
            for (const value of values) shown.append(name, value)
          const hasBody = !WITHOUT_BODY.has(statusCode)
          if (!hasBody) answer.resume()
          // The cast: they are the same streams.
          const stream = hasBody ? (Readable.toWeb(answer) as ReadableStream<Uint8Array>) : null
          try {
            resolve(new Response(stream, { status: statusCode, headers: shown }))
          } catch (error) {
            // It has a status that there is not.
            call.destroy()
            reject(error)
          }
        },
      )
      call.on('error', (error: Error & { readonly code?: string }) =>
        reject(signal?.aborted === true ? new Error(`${url.origin} has not answered in time`) : told(error)),
      )
      call.end(body ?? undefined)
    })
}

function told(error: Error & { readonly code?: string }): Error {
  if (!UNKNOWN_AUTHORITY.test(error.code ?? '')) return error
  const why = `${error.message}; name the authority of its certificate with --tls-ca, or PERDURE_TLS_CA`
  return new Error(why, { cause: error })
}
