/** The tasks of an upload. They run on the workers, and what is recorded of one is never done again. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { NonRetryableError, type RetryOptions, task } from 'perdure'
import { partBytes } from './upload-manifest.ts'

export const uploadQueue = 'uploads'

export interface UploadSettings {
  /** Paths of files are relative to it. */
  readonly folder: string
  readonly storeUrl: string
  /** The process that runs them. It is part of each result, so that the journal tells who did what. */
  readonly worker: string
}

const retry: RetryOptions = { maxAttempts: 20, initialInterval: '50ms', maxInterval: '2s' }
const timeouts = { startToClose: '60s' } as const

export type UploadTasks = ReturnType<typeof uploadTasksWith>

export function uploadTasksWith({ folder, storeUrl, worker }: UploadSettings) {
  const uploadUrl = (path: string) => `${storeUrl}/uploads/${encodeURIComponent(path)}`

  return {
    hashFile: task({
      name: 'hash-file',
      queue: uploadQueue,
      retry,
      run: async (_, path: string) => {
        const { bytes, sha256 } = await hashOf(createReadStream(join(folder, path))).catch(rethrow)
        return { worker, bytes, sha256 }
      },
    }),

    uploadPart: task({
      name: 'upload-part',
      queue: uploadQueue,
      retry,
      timeouts,
      run: async ({ idempotencyKey, abortSignal }, { path, part, fileBytes }: Part) => {
        const offset = part * partBytes
        const length = Math.min(partBytes, fileBytes - offset)
        const body = await readPart(join(folder, path), offset, length).catch(rethrow)
        await request(`${uploadUrl(path)}/parts/${part}?offset=${offset}`, {
          method: 'PUT',
          headers: { 'idempotency-key': idempotencyKey },
          body,
          signal: abortSignal,
        })
        return { worker, part }
      },
    }),

    completeUpload: task({
      name: 'complete-upload',
      queue: uploadQueue,
      retry,
      timeouts,
      run: async ({ abortSignal }, { path, parts }: { path: string; parts: number }) => {
        const url = `${uploadUrl(path)}/complete?parts=${parts}`
        await request(url, { method: 'POST', signal: abortSignal })
        return { worker }
      },
    }),

    verifyObject: task({
      name: 'verify-object',
      queue: uploadQueue,
      retry,
      timeouts,
      run: async ({ abortSignal }, { path, sha256 }: { path: string; sha256: string }) => {
        const url = `${storeUrl}/objects/${encodeURIComponent(path)}`
        const { body } = await request(url, { signal: abortSignal })
        const stored = await hashOf(body ?? [])
        if (stored.sha256 !== sha256)
          throw new NonRetryableError('the stored bytes are not those of the file, or the file was changed')
        return { worker }
      },
    }),
  }
}

interface Part {
  readonly path: string
  readonly part: number
  readonly fileBytes: number
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

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
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
