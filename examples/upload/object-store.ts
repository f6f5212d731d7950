/**
 * A small object store over HTTP, on the disk of this machine, which fails as real ones do.
 *
 *   PUT  /uploads/NAME/parts/NUMBER?offset=BYTES   header idempotency-key: stores one part
 *   POST /uploads/NAME/complete?parts=COUNT        makes the object, when all its parts are there
 *   GET  /objects/NAME                             the object's bytes
 *
 * 1. 5 % of the requests get 503 before anything is done, and 1 % of the connections of a PUT or POST are dropped after
 *    it was done. Which ones follows from the seed, the request and how often it was made, not from the order.
 * 2. Each PUT that arrives is written to the log before it is answered, with its idempotency key.
 * 3. A part is stored once. The same key again is fine and changes nothing; another key is refused.
 */
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  constants,
  createReadStream,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'

const unavailableShare = 0.05
const droppedShare = 0.01

export interface ObjectStoreOptions {
  readonly folder: string
  readonly seed: number
  /** It takes no more. Default: no limit. */
  readonly putsPerSecond?: number
  /** For tests of those who check: a bit of the first object is turned when it is complete, or after it was read. */
  readonly damage?: 'when-complete' | 'after-read' | undefined
}

export type Fault = 'none' | 'unavailable' | 'dropped'

/** One PUT in the log. */
export interface PutRecord {
  readonly at: number
  readonly name: string
  readonly part: number
  readonly key: string
  readonly fault: Fault
}

interface Part {
  readonly number: number
  readonly offset: number
  readonly key: string
}

interface Upload {
  /** Of each part that is stored. */
  readonly keys: Map<number, string>
  isComplete: boolean
}

export const logPath = (folder: string): string => join(folder, 'puts.log')
export const objectPath = (folder: string, name: string): string => join(folder, 'objects', nameHash(name))
const uploadPath = (folder: string, name: string): string => join(folder, 'uploads', nameHash(name))
const nameHash = (name: string): string => createHash('sha256').update(name).digest('hex')

export class ObjectStore {
  readonly #options: ObjectStoreOptions
  readonly #server: Server
  readonly #timesMade = new Map<string, number>()
  readonly #uploads = new Map<string, Upload>()
  #nextPutAtMs = 0
  #isDamaged = false

  constructor(options: ObjectStoreOptions) {
    this.#options = options
    for (const name of ['uploads', 'objects']) mkdirSync(join(options.folder, name), { recursive: true })
    appendFileSync(logPath(options.folder), '')
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        // A client that went away in the middle of its request, killed perhaps, is no failure of the store.
        if (request.socket.destroyed) return
        console.error(error)
        request.socket.destroy()
      })
    })
  }

  /** Answers the URL of the store. */
  async listen(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen(0, '127.0.0.1', resolve)
    await promise
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    const { pathname, searchParams } = new URL(url, 'http://store')
    const [, kind, encodedName = '', action = '', number] = pathname.split('/')
    const name = decodeURIComponent(encodedName)
    const key = String(request.headers['idempotency-key'] ?? '')
    const fault = this.#faultOf(method, url)
    if (method === 'PUT') this.#log({ at: Date.now(), name, part: Number(number), key, fault })

    const body = await buffer(request)
    if (method === 'PUT') await this.#turn()
    if (fault === 'unavailable') return reply(response, 503)
    const what = `${method} ${kind} ${action}`
    if (what === 'GET objects ') return this.#get(name, response)
    let status = 404
    if (what === 'POST uploads complete') status = this.#complete(name, Number(searchParams.get('parts')))
    if (what === 'PUT uploads parts') {
      status = this.#put(
        name,
        { number: Number(number), offset: Number(searchParams.get('offset')), key },
        body,
      )
    }
    if (fault === 'dropped') request.socket.destroy()
    else reply(response, status)
  }

  /** PUTs are evenly spread over the time. */
  async #turn(): Promise<void> {
    const { putsPerSecond = Number.POSITIVE_INFINITY } = this.#options
    const nowMs = performance.now()
    this.#nextPutAtMs = Math.max(this.#nextPutAtMs + 1000 / putsPerSecond, nowMs)
    if (this.#nextPutAtMs > nowMs) await pause(this.#nextPutAtMs - nowMs)
  }

  #put(name: string, { number, offset, key }: Part, body: Uint8Array): number {
    if (key === '' || !Number.isSafeInteger(number) || !Number.isSafeInteger(offset)) return 400
    const upload = this.#uploads.get(name) ?? { keys: new Map<number, string>(), isComplete: false }
    this.#uploads.set(name, upload)
    const known = upload.keys.get(number)
    if (known !== undefined) return known === key ? 200 : 409
    if (upload.isComplete) return 409
    const fd = openSync(uploadPath(this.#options.folder, name), constants.O_RDWR | constants.O_CREAT)
    try {
      writeSync(fd, body, 0, body.length, offset)
    } finally {
      closeSync(fd)
    }
    upload.keys.set(number, key)
    return 201
  }

  #complete(name: string, parts: number): number {
    const upload = this.#uploads.get(name)
    if (upload === undefined) return 404
    if (upload.isComplete) return 200
    for (let part = 0; part < parts; part++) if (!upload.keys.has(part)) return 409
    const object = objectPath(this.#options.folder, name)
    renameSync(uploadPath(this.#options.folder, name), object)
    upload.isComplete = true
    if (this.#options.damage === 'when-complete') this.#turnBit(object)
    return 201
  }

  async #get(name: string, response: ServerResponse): Promise<void> {
    if (this.#uploads.get(name)?.isComplete !== true) return reply(response, 404)
    const object = objectPath(this.#options.folder, name)
    response.writeHead(200, { 'content-length': statSync(object).size })
    await pipeline(createReadStream(object), response)
    if (this.#options.damage === 'after-read') this.#turnBit(object)
  }

  #turnBit(object: string): void {
    if (this.#isDamaged || statSync(object).size === 0) return
    this.#isDamaged = true
    const fd = openSync(object, 'r+')
    const byte = Buffer.alloc(1)
    readSync(fd, byte, 0, 1, 0)
    writeSync(fd, Buffer.of(byte.readUInt8() ^ 1), 0, 1, 0)
    closeSync(fd)
  }

  #faultOf(method: string, url: string): Fault {
    const times = (this.#timesMade.get(`${method} ${url}`) ?? 0) + 1
    this.#timesMade.set(`${method} ${url}`, times)
    const digest = createHash('sha256').update(`${this.#options.seed} ${method} ${url} ${times}`).digest()
    const share = digest.readUInt32BE() / 2 ** 32
    if (share < unavailableShare) return 'unavailable'
    return method !== 'GET' && share < unavailableShare + droppedShare ? 'dropped' : 'none'
  }

  #log(record: PutRecord): void {
    appendFileSync(logPath(this.#options.folder), `${JSON.stringify(record)}\n`)
  }
}

function reply(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}

if (import.meta.main) {
  process.on('disconnect', () => process.exit(0))
  // Ctrl-C reaches all processes of the terminal: the parent ends this one.
  process.on('SIGINT', () => {})
  const [folder = '', seed, putsPerSecond] = process.argv.slice(2)
  const damage = process.env.PERDURE_DEMO_DAMAGE
  const store = new ObjectStore({
    folder,
    seed: Number(seed),
    putsPerSecond: Number(putsPerSecond),
    damage: damage === 'when-complete' || damage === 'after-read' ? damage : undefined,
  })
  process.send?.({ url: await store.listen() })
}
