/**
 * The store's side of its writer thread: requests out, replies in, in order.
 *
 * 1. The first failure is kept: every later request is refused with it.
 * 2. The thread keeps the process alive only while a request waits for its reply.
 */
import { Worker } from 'node:worker_threads'
import { PerdureError } from '../../protocol/errors.ts'
import type { CommitOutcome } from '../contract/batch.ts'
import { storeError } from './sqlite-error.ts'
import type { Registration, WriterData, WriterReply, WriterRequest } from './writer-message.ts'

interface Waiting {
  readonly resolve: (result: WriterReply['result']) => void
  readonly reject: (error: PerdureError) => void
}

type ResultOf<R extends WriterRequest> = R extends { kind: 'commit' }
  ? CommitOutcome
  : R extends { kind: 'register' }
    ? Registration
    : undefined

/** Options of the process that a thread may need; others, such as `--input-type`, it would refuse. */
const INHERITED_OPTION = /^--(no-warnings|disable-warning=|experimental-strip-types)/

export class WriterLink {
  private readonly worker: Worker
  private readonly file: string
  private readonly waiting: Waiting[] = []
  private readonly exited: Promise<void>
  private failed: PerdureError | undefined
  private closing = false

  constructor(data: WriterData) {
    this.file = data.file
    // Beside this file in the sources (.ts) and in the built package (.js).
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.worker = new Worker(new URL(`./writer.${extension}`, import.meta.url), {
      name: 'perdure-sqlite-writer',
      workerData: data,
      execArgv: process.execArgv.filter((option) => INHERITED_OPTION.test(option)),
    })
    this.worker.on('message', (reply: WriterReply) => this.receive(reply))
    this.worker.on('error', (error) => this.fail(this.stopped(error)))
    this.exited = new Promise((resolve) => {
      this.worker.on('exit', (code) => {
        if (!this.closing || this.waiting.length > 0) this.fail(this.stopped(new Error(`exit code ${code}`)))
        resolve()
      })
    })
    // After the listeners, which would hold the process again.
    this.worker.unref()
  }

  get failure(): PerdureError | undefined {
    return this.failed
  }

  /** No request waits for its reply. */
  get isIdle(): boolean {
    return this.waiting.length === 0
  }

  /** A write beside the thread has failed: from now on everything is refused. Returns the failure. */
  stop(error: unknown): PerdureError {
    this.failed ??= storeError(error, this.file)
    return this.failed
  }

  request<R extends WriterRequest>(request: R): Promise<ResultOf<R>> {
    if (this.failed !== undefined) return Promise.reject(this.failed)
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve: resolve as Waiting['resolve'], reject })
      if (this.waiting.length === 1) this.worker.ref()
      this.worker.postMessage(request)
    })
  }

  /** Ends the thread after the requests before. */
  async close(): Promise<void> {
    this.closing = true
    this.worker.ref()
    this.worker.postMessage({ kind: 'close' } satisfies WriterRequest)
    await this.exited
  }

  private receive(reply: WriterReply): void {
    const waiting = this.waiting.shift()
    if (this.waiting.length === 0 && !this.closing) this.worker.unref()
    if (reply.failure === undefined) {
      waiting?.resolve(reply.result)
      return
    }
    const { code, detail, cause } = reply.failure
    this.failed ??= new PerdureError(code, detail, { cause })
    waiting?.reject(this.failed)
  }

  private fail(error: PerdureError): void {
    this.failed ??= error
    for (const { reject } of this.waiting.splice(0)) reject(this.failed)
  }

  private stopped(cause: unknown): PerdureError {
    return new PerdureError('STORE_FAILED', `The thread that writes ${this.file} stopped`, { cause })
  }
}
