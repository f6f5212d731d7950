/** An issuer of tokens on this machine: its keys over HTTP, and tokens signed with them. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import type { TokenIssuerSettings } from '../../src/server/access/token-issuer.ts'

export interface SignOptions {
  readonly kid?: string
  readonly algorithm?: string
  readonly key?: CryptoKey | Uint8Array
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: JWTPayload
}

export class IssuerServer implements AsyncDisposable {
  readonly url: string
  readonly #server: ReturnType<typeof createServer>
  readonly #keys = new Map<
    string,
    { readonly algorithm: string; readonly pair: Awaited<ReturnType<typeof generateKeyPair>> }
  >()
  /** Requests for keys. */
  asked = 0
  /** What it answers with instead, if it is down. */
  status = 200
  /** Other answers, by path. */
  readonly pages = new Map<string, unknown>()

  static async start(): Promise<IssuerServer> {
    const server = createServer()
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const issuer = new IssuerServer(server)
    await issuer.addKey('first')
    return issuer
  }

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (request, response) => {
      this.#answer(request.url ?? '').then(
        (body) => {
          response.writeHead(body === undefined ? 404 : this.status, { 'content-type': 'application/json' })
          response.end(JSON.stringify(body ?? {}))
        },
        () => response.destroy(),
      )
    })
  }

  settings(more: Partial<TokenIssuerSettings> = {}): TokenIssuerSettings {
    return { issuer: this.url, audience: 'perdure', allowPrivate: true, ...more }
  }

  async addKey(kid: string, algorithm = 'RS256'): Promise<void> {
    this.#keys.set(kid, { algorithm, pair: await generateKeyPair(algorithm, { extractable: true }) })
  }

  removeKey(kid: string): void {
    this.#keys.delete(kid)
  }

  async publicPem(kid: string): Promise<CryptoKey> {
    const found = this.#keys.get(kid)
    if (found === undefined) throw new Error(`there is no key ${kid}`)
    return found.pair.publicKey
  }

  /** Good for five minutes from `nowMs`, unless its claims say otherwise. */
  async sign(
    nowMs: number,
    { kid = 'first', algorithm, key, header = {}, claims = {} }: SignOptions = {},
  ): Promise<string> {
    const found = this.#keys.get(kid)
    const now = Math.floor(nowMs / 1000)
    const payload = { iss: this.url, aud: 'perdure', sub: 'ann', exp: now + 300, iat: now, ...claims }
    return await new SignJWT(payload)
      .setProtectedHeader({ alg: algorithm ?? found?.algorithm ?? 'RS256', kid, ...header })
      .sign(key ?? found?.pair.privateKey ?? new Uint8Array())
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #answer(path: string): Promise<unknown> {
    const page = this.pages.get(path)
    if (page !== undefined) return page
    if (path === '/.well-known/openid-configuration')
      return { issuer: this.url, jwks_uri: `${this.url}/keys` }
    if (path !== '/keys') return undefined
    this.asked += 1
    const keys = [...this.#keys].map(async ([kid, { algorithm, pair }]) => ({
      ...(await exportJWK(pair.publicKey)),
      kid,
      alg: algorithm,
      use: 'sig',
    }))
    return { keys: await Promise.all(keys) }
  }
}
