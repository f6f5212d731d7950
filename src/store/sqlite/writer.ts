/**
 * The writer thread: it owns the writing connection, and answers one request after the other.
 *
 * 1. Requests take effect in the order in which they were sent.
 * 2. After a failure that is not a refusal it writes nothing any more: whether the failed commit is on the disk is
 *    unknown, and what would follow it might build on it.
 */
import type { DatabaseSync } from 'node:sqlite'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { BatchCursor } from './batch-message.ts'
import { BatchWriter } from './batch-writer.ts'
import { openWriting } from './connection.ts'
import { failureOf } from './sqlite-error.ts'
import type { WriterData, WriterReply, WriterRequest } from './writer-message.ts'

type Result = WriterReply['result']
type Failure = NonNullable<WriterReply['failure']>

class Writer {
  private readonly database: DatabaseSync
  private readonly batches: BatchWriter

  constructor({ file, synchronous }: WriterData) {
    this.database = openWriting(file, { synchronous })
    this.batches = new BatchWriter(this.database)
  }

  answer(request: WriterRequest): Result {
    switch (request.kind) {
      case 'commit':
        return this.batches.commit(request.batch, () => BatchCursor.ofMessage(request.batch))
      case 'register':
        return this.batches.register(request.node)
      case 'fence':
        this.batches.fence(request.session, request.atMs)
        return undefined
      case 'close':
        this.database.close()
        return undefined
    }
  }
}

function serve(port: MessagePort, data: WriterData): void {
  let writer: Writer | undefined
  let failure: Failure | undefined
  const attempt = (work: () => Result): WriterReply => {
    try {
      return { result: work() }
    } catch (error) {
      failure = { ...failureOf(error, data.file), cause: error }
      return { failure }
    }
  }
  attempt(() => {
    writer = new Writer(data)
    return undefined
  })
  port.on('message', (request: WriterRequest) => {
    const isClose = request.kind === 'close'
    if (failure !== undefined && !isClose) port.postMessage({ failure } satisfies WriterReply)
    else port.postMessage(attempt(() => writer?.answer(request)))
    if (isClose) port.close()
  })
}

if (parentPort !== null) serve(parentPort, workerData as WriterData)
