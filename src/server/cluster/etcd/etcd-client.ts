/**
 * What the coordinator needs of etcd, over its JSON gateway (`/v3/…`, etcd 3.4 and newer).
 *
 * 1. A member that does not answer, has no leader, or hangs is left for the next one: an answer takes at most `timeoutMs` for each
 *    member. The one that has answered is asked until it does not.
 * 2. All that is asked may be asked twice: a lease that was granted without our knowing of it ends by itself.
 * 3. Reads are linearizable: a member that is cut off from the others does not answer them with the past.
 */
import type { ClientRequest, RequestOptions } from 'node:http'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Json } from '../../../protocol/json.ts'
import { EtcdError } from './etcd-error.ts'
import type { EtcdSettings } from './etcd-settings.ts'

/** One member has so long for an answer. */
const TIMEOUT_MS = 1000
/** An answer with all nodes of many clusters is far smaller. */
const ANSWER_BYTES = 4 * 1024 * 1024
/** Of an answer that cannot be read, in the error. */
const SAID_LENGTH = 200

export interface EtcdEntry {
  readonly key: string
  /** Of the store when the key was made: who came first has the lower one. */
  readonly createRevision: number
}

export interface EtcdList {
  readonly revision: number
  readonly entries: readonly EtcdEntry[]
}

export interface EtcdWatch {
  /** That of the member which is asked. */
  readonly endpoint: string
  readonly hasEnded: boolean
  end(): void
}

interface Answer {
  readonly status: number
  readonly text: string
}

export class EtcdClient {
  readonly #settings: EtcdSettings
  readonly #timeoutMs: number
  readonly #agent: HttpAgent
  #current: number
  #token: string | undefined
  #isClosed = false

  /** @param first which of the members is asked first; nodes should differ in it */
  constructor(settings: EtcdSettings, first = 0, timeoutMs = TIMEOUT_MS) {
    this.#settings = settings
    this.#timeoutMs = timeoutMs
    this.#current = first % settings.endpoints.length
    const options = { keepAlive: true, maxSockets: 8 }
    this.#agent =
      settings.tls === undefined ? new HttpAgent(options) : new HttpsAgent({ ...options, ...settings.tls })
  }

  /** The member that is asked now. */
  get endpoint(): string {
    return this.#settings.endpoints[this.#current] ?? ''
  }

  /** Answers the id of a lease that ends `seconds` after it was kept alive last; etcd may make it longer. */
  async grant(seconds: number): Promise<string> {
    const { ID } = fieldsOf(await this.#ask('lease/grant', { TTL: seconds }))
    if (typeof ID !== 'string') throw EtcdError.unreadable(this.endpoint)
    return ID
  }

  /** False: it has ended. */
  async keepAlive(lease: string): Promise<boolean> {
    const { TTL } = fieldsOf(fieldsOf(await this.#ask('lease/keepalive', { ID: lease })).result)
    return Number(TTL ?? 0) > 0
  }

  /** One that has ended is no error. */
  async revoke(lease: string): Promise<void> {
    try {
      await this.#ask('lease/revoke', { ID: lease })
    } catch (error) {
      if (!(error instanceof EtcdError && error.kind === 'not-found')) throw error
    }
  }

  /** False: the lease has ended. */
  async put(key: string, value: string, lease: string): Promise<boolean> {
    try {
      await this.#ask('kv/put', { key: base64Of(key), value: base64Of(value), lease })
      return true
    } catch (error) {
      if (error instanceof EtcdError && error.kind === 'not-found') return false
      throw error
    }
  }

  /** All keys that begin with this, the oldest first. */
  async list(prefix: string): Promise<EtcdList> {
    const { header, kvs = [] } = fieldsOf(
      await this.#ask('kv/range', { ...rangeOf(prefix), keys_only: true }),
    )
    const revision = Number(fieldsOf(header).revision)
    if (!Number.isSafeInteger(revision) || !Array.isArray(kvs)) throw EtcdError.unreadable(this.endpoint)
    const entries = kvs.map((each: Json): EtcdEntry => {
      const { key, create_revision } = fieldsOf(each)
      return { key: Buffer.from(String(key), 'base64').toString(), createRevision: Number(create_revision) }
    })
    return { revision, entries: entries.sort((a, b) => a.createRevision - b.createRevision) }
  }

  /**
   * Calls `onChange` after each change of such keys since that revision. It only says that something is to be looked at: a watch
   * that has ended, for whatever reason, is made anew after the next look.
   */
  watch(prefix: string, fromRevision: number, onChange: () => void): EtcdWatch {
    const { endpoint } = this
    const body = { create_request: { ...rangeOf(prefix), start_revision: fromRevision } }
    let hasEnded = false
    // A connection of its own: one of the agent's would be held for ever.
    const request = this.#send(endpoint, 'watch', body, { agent: this.#ownAgent() })
    const end = (): void => {
      hasEnded = true
      request.destroy()
    }
    request.on('error', end)
    request.on('response', (response) => {
      response.on('error', end)
      response.on('close', end)
      response.on('data', (data: Buffer) => {
        // One that is cut in two is missed, and found by the next look. The first message only says that the watch is there.
        if (data.includes('"events"')) onChange()
        else if (data.includes('"canceled"') || data.includes('"error"')) end()
      })
    })
    return {
      endpoint,
      get hasEnded() {
        return hasEnded
      },
      end,
    }
  }

  /** What is being asked fails. */
  close(): void {
    this.#isClosed = true
    this.#agent.destroy()
  }

  /** Each member at most once, from the one that has answered last. */
  async #ask(path: string, body: Json): Promise<Json> {
    const failures: string[] = []
    const { length } = this.#settings.endpoints
    for (let tried = 0; tried < length && !this.#isClosed; tried++) {
      const { endpoint } = this
      try {
        return await this.#askWithToken(endpoint, path, body)
      } catch (error) {
        if (!(error instanceof EtcdError && error.kind === 'unavailable')) throw error
        failures.push(error.message)
        // Another call may have left it already.
        if (this.endpoint === endpoint) this.#current = (this.#current + 1) % length
      }
    }
    throw new EtcdError('unavailable', `no member of etcd answers: ${failures.join('; ')}`)
  }

  async #askWithToken(endpoint: string, path: string, body: Json): Promise<Json> {
    if (this.#settings.user === undefined) return this.#askOf(endpoint, path, body)
    for (let isSecond = false; ; isSecond = true) {
      this.#token ??= await this.#authenticate(endpoint)
      try {
        return await this.#askOf(endpoint, path, body)
      } catch (error) {
        // Tokens end after some minutes, and with the member that keeps them in its memory.
        if (isSecond || !(error instanceof EtcdError && error.kind === 'token-invalid')) throw error
        this.#token = undefined
      }
    }
  }

  async #authenticate(endpoint: string): Promise<string> {
    const { user = '', password = '' } = this.#settings
    const { token } = fieldsOf(await this.#askOf(endpoint, 'auth/authenticate', { name: user, password }))
    if (typeof token !== 'string') throw EtcdError.unreadable(endpoint)
    return token
  }

  async #askOf(endpoint: string, path: string, body: Json): Promise<Json> {
    const { status, text } = await this.#exchange(endpoint, path, body)
    let answer: Json
    try {
      answer = JSON.parse(text)
    } catch {
      // Of a proxy, say; and what the gateway itself refuses.
      throw EtcdError.unreadable(endpoint, `status ${status}, '${text.slice(0, SAID_LENGTH).trim()}'`)
    }
    const error = fieldsOf(answer).error
    if (status === 200 && error === undefined) return answer
    throw EtcdError.ofAnswer(endpoint, status, answer)
  }

  #exchange(endpoint: string, path: string, body: Json): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const failed = (error: Error): void => reject(EtcdError.ofConnection(endpoint, error))
    const request = this.#send(endpoint, path, body, {
      agent: this.#agent,
      signal: AbortSignal.timeout(this.#timeoutMs),
    })
    request.on('error', failed)
    request.on('response', (response) => {
      const parts: Buffer[] = []
      let bytes = 0
      response.on('error', failed)
      response.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > ANSWER_BYTES) request.destroy(new Error(`an answer of more than ${ANSWER_BYTES} bytes`))
        else parts.push(part)
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
      )
    })
    return promise
  }

  #send(endpoint: string, path: string, body: Json, options: RequestOptions): ClientRequest {
    const text = JSON.stringify(body)
    const send = this.#settings.tls === undefined ? httpRequest : httpsRequest
    const request = send(`${endpoint}/v3/${path}`, {
      ...options,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        ...(this.#token === undefined || path === 'auth/authenticate' ? {} : { authorization: this.#token }),
      },
    })
    request.end(text)
    return request
  }

  #ownAgent(): HttpAgent {
    const { tls } = this.#settings
    return tls === undefined ? new HttpAgent() : new HttpsAgent(tls)
  }
}

/** Keys that begin with it: up to the first that does not. The last character of a prefix of ours is a slash. */
function rangeOf(prefix: string): { readonly key: string; readonly range_end: string } {
  const end = Buffer.from(prefix)
  end[end.length - 1] = (end.at(-1) ?? 0) + 1
  return { key: base64Of(prefix), range_end: end.toString('base64') }
}

function base64Of(text: string): string {
  return Buffer.from(text).toString('base64')
}

function fieldsOf(value: Json | undefined): { readonly [name: string]: Json | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [name: string]: Json })
    : {}
}
