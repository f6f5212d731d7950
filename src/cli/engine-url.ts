import type { TlsSettings } from '../platform/tls.ts'
import { UsageError } from './usage-error.ts'

/**
 * `http:` and `https:` are the same port.
 *
 * @returns that of its WebSockets
 * @throws UsageError if it is not a URL that a command can connect to; the message shows no password
 */
export function checkedEngineUrl(url: string): string {
  return checkedUrl(url).replace(/^http/i, 'ws')
}

/**
 * Of commands over the REST API, which is on the same port.
 *
 * @returns its URL without a `/` at its end, and that of its WebSockets
 */
export function checkedRestUrl(given: string): { readonly http: string; readonly socket: string } {
  const url = new URL(checkedUrl(given))
  if (url.search !== '' || url.hash !== '')
    throw new UsageError(`--url ${given} has more than a host, a port and a path`)
  const http = url.href.replace(/^ws/, 'http').replace(/\/+$/, '')
  return { http, socket: http.replace(/^http/, 'ws') }
}

/** @param url of WebSockets */
export function assertTlsFits(url: string, tls: TlsSettings | undefined): void {
  if (tls === undefined || new URL(url).protocol === 'wss:') return
  throw new UsageError(
    `certificates are given, and --url ${url} is without TLS`,
    'Write wss://…, or leave out --tls-cert, --tls-key and --tls-ca (PERDURE_TLS_CERT and so on).',
  )
}

function checkedUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && (parsed.username !== '' || parsed.password !== ''))
    throw new UsageError(
      'the URL of the engine holds a user or a password',
      'Credentials are an API key or token: --token-file, PERDURE_TOKEN, or a profile.',
    )
  if (parsed === undefined || !/^(wss?|https?):$/.test(parsed.protocol))
    throw new UsageError(`--url ${url} is not a URL like ws://127.0.0.1:7233, or http://…`)
  return url
}
