/**
 * The client's port over a WebSocket.
 *
 * Of a cluster it knows all nodes once one of them has told it. When its node is about to leave, or has ended, it goes on with
 * another one.
 * When the connection is lost, calls that are harmless to repeat (reads, and what has an id of its own) are sent again over
 * the next one. Others are answered with `CONNECTION_LOST`: whether they were done is not known.
 */
import { randomUUID } from 'node:crypto'
import { FRAME_TOO_LARGE, largestOf } from '../../platform/frame-too-large.ts'
import type { TlsIdentity } from '../../platform/tls.ts'
import type { TokenSetting } from '../../platform/token-setting.ts'
import {
  CLIENT_METHODS,
  type ClientCall,
  type ClientMethod,
  type EngineReply,
} from '../../protocol/client-messages.ts'
import type { ClientPort, ExecutionTarget, StartRequest } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { errorOf } from '../../protocol/failure.ts'
import type { QueueChangeOptions } from '../../protocol/queue-port.ts'
import type { TaskReply, TaskRequest, TaskTarget, WaitOptions } from '../../protocol/task-port.ts'
import { ClientLink } from './client-link.ts'

export interface RemotePortOptions {
  /** Of the engine; of a cluster those of its nodes: each of them takes every call. */
  readonly url: string | readonly string[]
  readonly warn: (message: string, fields?: { readonly [name: string]: unknown }) => void
  /** Between two pings: a connection that is silent for three of them is lost. Default 10,000 ms; 1,000 ms if there are several nodes. */
  readonly heartbeatMs?: number
  /** For `wss:` URLs. */
  readonly tls?: TlsIdentity | undefined
  readonly token?: TokenSetting | undefined
}

interface OpenCall extends ClientCall {
  /** That it was sent over; undefined: it is to be sent over the next one. */
  link: ClientLink | undefined
  readonly isRepeatable: boolean
  /** Told to each engine that is asked. */
  isCancelled: boolean
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

const HEARTBEAT_MS = 10_000
/** Another node answers instead: a silent one is left soon, since it is fenced after 2 s. */
const CLUSTER_HEARTBEAT_MS = 1000
const RETRY_FIRST_MS = 50
const RETRY_MOST_MS = 5000
/** Tasks of one call: the frame must not become too large. */
const ENQUEUE_CHARACTERS = 1024 * 1024

const READS: ReadonlySet<ClientMethod> = new Set([
  'query',
  'outcome',
  'describe',
  'explain',
  'history',
  'list',
  'tasks.outcome',
  'tasks.describe',
  'tasks.explain',
  'tasks.list',
  'tasks.explainQueue',
  'schedules.describe',
  'schedules.list',
  'queues.list',
  'queues.get',
  'workers.list',
  'nodes.list',
  'nodes.shards',
  'people.inbox',
  'people.describe',
  'people.history',
])

/** They set something, or carry an id. */
const AGAIN_THE_SAME: ReadonlySet<ClientMethod> = new Set([
  'nodes.drain',
  'schedules.update',
  'schedules.pause',
  'schedules.resume',
  'schedules.trigger',
  'people.act',
])

export class RemotePort {
  readonly #options: RemotePortOptions
  /** Nodes that are known, the one that is or was connected first. */
  #urls: string[]
  readonly #calls = new Map<number, OpenCall>()
  /** Where calls are sent now; undefined: nowhere yet. */
  #link: ClientLink | undefined
  #last = 0
  #failures = 0
  /** How often it was sent on since a call was last answered. */
  #leaves = 0
  /** Behind the URL is a load balancer with the nodes of a cluster: whoever connects again may get another one. */
  #isBalanced = false
  #retry: NodeJS.Timeout | undefined
  #isClosed = false
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []

  constructor(options: RemotePortOptions) {
    this.#options = options
    const urls = [options.url].flat().map(sameUrl)
    // Clients spread over the nodes.
    const first = Math.floor(Math.random() * urls.length)
    this.#urls = [...urls.slice(first), ...urls.slice(0, first)]
    this.#connect()
  }

  /** All methods of the client's port. */
  get port(): ClientPort {
    const methods: Record<string, unknown> = {}
    const groups: Record<string, Record<string, unknown>> = {
      tasks: {},
      schedules: {},
      queues: {},
      people: {},
      workers: {},
      nodes: {},
    }
    for (const method of Object.keys(CLIENT_METHODS) as ClientMethod[]) {
      const [first = '', second] = method.split('.')
      const call = (...given: readonly unknown[]): Promise<unknown> => this.#call(method, given)
      if (second === undefined) methods[first] = call
      else Object.assign(groups[first] ?? {}, { [second]: call })
    }
    const own = {
      history: (...[target, afterSeq, { signal, ...rest }]: Parameters<ClientPort['history']>) =>
        this.#call('history', [target, afterSeq, rest], signal),
      update: (...[target, name, payload, updateId, options]: Parameters<ClientPort['update']>) =>
        this.#call('update', [target, name, payload, updateId], options?.signal),
      outcome: (target: ExecutionTarget, options?: WaitOptions) =>
        this.#call('outcome', [target], options?.signal),
      newRequestId: () => randomUUID(),
      tasks: {
        ...groups.tasks,
        enqueue: (requests: readonly TaskRequest[]) => this.#enqueue(requests),
        outcome: (target: TaskTarget, options?: WaitOptions) =>
          this.#call('tasks.outcome', [target], options?.signal),
      },
    }
    // The one cast: the table of methods is that of the port.
    return { ...methods, ...groups, ...own } as unknown as ClientPort
  }

  async connected(): Promise<void> {
    if (this.#link?.isOpen === true) return
    await new Promise<void>((resolve, reject) => void this.#waiting.push({ resolve, reject }))
  }

  /** Calls that are not answered get `CONNECTION_LOST`. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.#link?.close()
    for (const { link } of this.#calls.values()) link?.close()
    const error = new PerdureError('CONNECTION_LOST', 'the connection was closed by this program')
    for (const { reject } of [...this.#calls.values(), ...this.#waiting.splice(0)]) reject(error)
    this.#calls.clear()
  }

  async #enqueue(requests: readonly TaskRequest[]): Promise<readonly TaskReply[]> {
    const calls: Promise<unknown>[] = []
    let part: TaskRequest[] = []
    let characters = 0
    for (const request of requests) {
      part.push(request)
      characters += JSON.stringify(request).length
      if (characters < ENQUEUE_CHARACTERS && part.length < 10_000) continue
      calls.push(this.#call('tasks.enqueue', [part]))
      part = []
      characters = 0
    }
    if (part.length > 0 || requests.length === 0) calls.push(this.#call('tasks.enqueue', [part]))
    return ((await Promise.all(calls)) as (readonly TaskReply[])[]).flat()
  }

  #call(method: ClientMethod, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    if (this.#isClosed)
      return Promise.reject(new PerdureError('CONNECTION_LOST', 'the connection was closed by this program'))
    this.#last += 1
    const id = this.#last
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        call.isCancelled = true
        call.link?.send({ cancel: id })
      }
      const end = (): void => signal?.removeEventListener('abort', cancel)
      const call: OpenCall = {
        id,
        method,
        args,
        link: undefined,
        isRepeatable: isRepeatable(method, args),
        isCancelled: false,
        resolve: (result) => {
          end()
          resolve(result)
        },
        reject: (error) => {
          end()
          reject(error)
        },
      }
      this.#calls.set(id, call)
      if (this.#link?.isOpen === true) this.#send(call, this.#link)
      if (signal?.aborted === true) cancel()
      else signal?.addEventListener('abort', cancel)
    })
  }

  #send(call: OpenCall, link: ClientLink): void {
    call.link = link
    const { id, method, args } = call
    link.send({ id, method, args })
    if (call.isCancelled) link.send({ cancel: id })
  }

  #connect(): void {
    const { warn, tls, token } = this.#options
    const [url = ''] = this.#urls
    const link = new ClientLink(url, {
      heartbeatMs: this.#heartbeatMs,
      tls,
      token,
      warn,
      onOpen: (opened) => this.#onOpen(opened),
      onReply: (from, reply) => this.#onReply(from, reply),
      onLeave: (leaving) => this.#onLeave(leaving),
      onNodes: (urls) => this.#learn(urls, link),
      onClosed: (closed, code) => this.#onClosed(closed, code),
    })
    this.#link = link
  }

  get #hasOtherNodes(): boolean {
    return this.#isBalanced || this.#urls.length > 1
  }

  get #heartbeatMs(): number {
    return this.#options.heartbeatMs ?? (this.#hasOtherNodes ? CLUSTER_HEARTBEAT_MS : HEARTBEAT_MS)
  }

  #onOpen(link: ClientLink): void {
    if (this.#isClosed) {
      link.close()
      return
    }
    this.#failures = 0
    for (const call of this.#calls.values()) if (call.link === undefined) this.#send(call, link)
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  #onReply(link: ClientLink, reply: EngineReply): void {
    const call = this.#calls.get(reply.id)
    // It was asked of another node meanwhile: what the one that leaves says of it does not count.
    if (call === undefined || call.link !== link) return
    if ('failure' in reply && reply.failure.code === 'ENGINE_CLOSED' && this.#mayAskElsewhere(call)) {
      this.#askElsewhere(call, link)
      return
    }
    this.#calls.delete(reply.id)
    if (!('failure' in reply && reply.failure.code === 'ENGINE_CLOSED')) this.#leaves = 0
    if ('failure' in reply) call.reject(errorOf(reply.failure))
    else call.resolve(reply.result)
    if (link.isLeaving) this.#closeIfDone(link)
  }

  /** New calls, and those that can be asked again, go to another node; the answers of the others are waited for. */
  #onLeave(link: ClientLink): void {
    if (this.#isClosed || this.#link !== link) return
    for (const call of this.#calls.values())
      if (call.link === link && call.isRepeatable) call.link = undefined
    this.#rotate()
    const pauseMs = this.#pauseMs(this.#leaves)
    this.#leaves += 1
    if (pauseMs === 0) this.#connect()
    else {
      // All nodes send it on, as when all of them end.
      this.#link = undefined
      this.#retry = setTimeout(() => this.#connect(), pauseMs)
    }
    this.#closeIfDone(link)
  }

  #mayAskElsewhere({ isRepeatable }: OpenCall): boolean {
    return isRepeatable && !this.#isClosed && this.#hasOtherNodes
  }

  /** A node has ended that had not said that it leaves, or was asked when it had. */
  #askElsewhere(call: OpenCall, link: ClientLink): void {
    call.link = undefined
    link.isLeaving = true
    if (this.#link === link) this.#onLeave(link)
    else {
      if (this.#link?.isOpen === true) this.#send(call, this.#link)
      this.#closeIfDone(link)
    }
  }

  #closeIfDone(link: ClientLink): void {
    for (const call of this.#calls.values()) if (call.link === link) return
    link.close()
  }

  #rotate(): void {
    const [lost = '', ...others] = this.#urls
    this.#urls = [...others, lost]
  }

  /**
   * Where else the cluster can be reached; nowhere: only by the URLs that the program has named. What it has named is kept;
   * who asks over TLS goes on with TLS.
   */
  #learn(urls: readonly string[], link: ClientLink): void {
    const [own = ''] = this.#urls
    const before = this.#heartbeatMs
    this.#isBalanced = urls.length === 0
    const isFit = (url: string): boolean => !own.startsWith('wss:') || url.startsWith('wss:')
    const others = [...urls.filter(isFit), ...[this.#options.url].flat()]
    this.#urls = [...new Set([own, ...others.map(sameUrl)])]
    if (this.#heartbeatMs !== before) link.watch(this.#heartbeatMs)
  }

  /** The other nodes at once; when all were tried, after a pause. */
  #pauseMs(tried: number): number {
    const nodes = this.#urls.length
    const round = nodes === 1 ? tried : Math.floor(tried / nodes) - 1
    const longest = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** round)
    return round < 0 ? 0 : longest * (0.5 + Math.random() / 2)
  }

  /** It would end each connection that it is sent over, and with it the calls of all others. */
  #refuseLargest(link: ClientLink): void {
    const sent = [...this.#calls.values()].filter((call) => call.link === link)
    const largest = largestOf(sent.map(({ id, method, args }) => ({ id, method, args })))
    const call = largest === undefined ? undefined : this.#calls.get(largest.id)
    if (call === undefined) return
    this.#calls.delete(call.id)
    const why = `${call.method}() is larger than the engine takes`
    call.reject(new PerdureError('PAYLOAD_TOO_LARGE', why))
  }

  #onClosed(link: ClientLink, code: number): void {
    if (this.#isClosed) return
    if (code === FRAME_TOO_LARGE) this.#refuseLargest(link)
    for (const [id, call] of this.#calls) {
      if (call.link !== link) continue
      call.link = undefined
      if (call.isRepeatable) continue
      this.#calls.delete(id)
      const why = `the connection was lost before ${call.method}() was answered`
      call.reject(new PerdureError('CONNECTION_LOST', why))
    }
    if (this.#link !== link) return
    this.#link = undefined
    const pauseMs = this.#pauseMs(this.#failures)
    this.#failures += 1
    this.#rotate()
    this.#options.warn('not connected to the engine: trying again', { url: this.#urls[0], inMs: pauseMs })
    this.#retry = setTimeout(() => this.#connect(), pauseMs)
  }
}

/** In one form, so that no node counts as two: with the `/` that some write at the end, and others do not. */
function sameUrl(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url
}

/** Done twice it is the same as done once. */
function isRepeatable(method: ClientMethod, args: readonly unknown[]): boolean {
  if (READS.has(method)) return true
  if (method === 'update' || AGAIN_THE_SAME.has(method)) return true
  // With a revision it would meet its own change.
  if (method.startsWith('queues.')) return (args.at(-1) as QueueChangeOptions).ifRevision === undefined
  if (method === 'signal') return args[3] !== undefined
  if (method === 'start') {
    const { onConflict, signal } = args[0] as StartRequest
    return onConflict === 'use-existing' && (signal === undefined || signal.requestId !== undefined)
  }
  if (method === 'tasks.enqueue')
    return (args[0] as readonly TaskRequest[]).every(
      ({ id, debounce }) => id !== undefined && debounce === undefined,
    )
  return false
}
