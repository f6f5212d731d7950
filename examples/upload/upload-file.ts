/** Uploads one file in parts, and reads it back. Each part is a step: what is recorded is never sent again. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { NonRetryableError, type RetryOptions, type StepContext, workflow } from 'perdure'
import type { Slots } from './slots.ts'
import { partBytes, partCount } from './upload-manifest.ts'

export interface UploadSettings {
  /** Paths of files are relative to it. */
  readonly folder: string
  readonly storeUrl: string
  /** What all uploads together may do at once: reading, sending, reading back. */
  readonly slots: Slots
}

const partsAtOnce = 4
/** Parts rank by number: all files get on, not one after the other. What begins or ends an upload comes before. */
const first = -1
const requestTimeoutMs = 60_000
const patient: RetryOptions = { maxAttempts: 20, initialInterval: '50ms', maxInterval: '2s' }

export function uploadFileWith({ folder, storeUrl, slots }: UploadSettings) {
  return workflow({
    name: 'upload-file',
    version: '1',
    run: async (ctx, { path }: { path: string }) => {
      const source = join(folder, path)
      const name = encodeURIComponent(path)
      const step = <T>(stepName: string, rank: number, run: (step: StepContext) => Promise<T>) =>
        ctx.step(stepName, (attempt) => slots.use(rank, () => run(attempt).catch(rethrow)), {
          retry: patient,
        })

      const file = await step('hash', first, () => hashOf(createReadStream(source)))
      const parts = Array.from({ length: partCount(file.bytes) }, (_, number) => number)
      await ctx.map(
        parts,
        (number) =>
          step(`part ${number}`, number, async ({ idempotencyKey, abortSignal }) => {
            const offset = number * partBytes
            const body = await readPart(source, offset, Math.min(partBytes, file.bytes - offset))
            const url = `${storeUrl}/uploads/${name}/parts/${number}?offset=${offset}`
            const headers = { 'idempotency-key': idempotencyKey }
            await request(url, { method: 'PUT', headers, body, signal: abortSignal })
          }),
        { concurrency: partsAtOnce },
      )
      await step('complete', first, async ({ abortSignal }) => {
        const url = `${storeUrl}/uploads/${name}/complete?parts=${parts.length}`
        await request(url, { method: 'POST', signal: abortSignal })
      })
      await step('verify', first, async ({ abortSignal }) => {
        const { body } = await request(`${storeUrl}/objects/${name}`, { signal: abortSignal })
        const stored = await hashOf(body ?? [])
        if (stored.sha256 !== file.sha256)
          throw new NonRetryableError(`the stored bytes are not those of the file, or the file was changed`)
      })
      return file
    },
  })
}

async function hashOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of chunks) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}

async function readPart(path: string, offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  await using file = await open(path)
  const buffer = new Uint8Array(bytes)
  const { bytesRead } = await file.read(buffer, 0, bytes, offset)
  if (bytesRead < bytes) throw new NonRetryableError(`${path} became shorter while it was uploaded`)
  return buffer
}

/** A step's own `timeout` would count the time in the queue for a slot, too. */
async function request(url: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
  const signal = AbortSignal.any([init.signal, AbortSignal.timeout(requestTimeoutMs)])
  const response = await fetch(url, { ...init, signal })
  if (response.ok) return response
  await response.body?.cancel()
  const refusal = `the object store answered ${response.status}`
  throw response.status < 500 ? new NonRetryableError(refusal) : new Error(refusal)
}

/** A file that is gone or may not be read will not come back by trying again. */
function rethrow(error: NodeJS.ErrnoException): never {
  if (error.code !== 'ENOENT' && error.code !== 'EACCES') throw error
  throw new NonRetryableError(error.message, { cause: error })
}
