/** The workers of this process, with encryption of payloads or without. */
import { EmbeddedWorker, type EmbeddedWorkerOptions } from '../runtime/embedded-worker.ts'
import type { LocalTaskWorker, LocalWorker } from '../runtime/local-worker.ts'
import { EmbeddedTaskWorker, type EmbeddedTaskWorkerOptions } from '../tasks/embedded-task-worker.ts'
import type { EncryptedRun } from './encrypted-run.ts'
import { type Dispatched, EncryptedTaskWorker } from './encrypted-task-worker.ts'
import { EncryptedWorker } from './encrypted-worker.ts'
import type { PayloadCodec } from './payload-codec.ts'

/** @param options with limits for what is encrypted */
export function localWorker<Owner>(
  options: EmbeddedWorkerOptions,
  codec: PayloadCodec | undefined,
): LocalWorker<Owner> {
  if (codec === undefined) return new EmbeddedWorker<Owner>(options)
  const { clock, logger } = options
  const worker = new EmbeddedWorker<EncryptedRun<Owner>>(options)
  return new EncryptedWorker<Owner>({ worker, codec, clock, logger })
}

export function localTaskWorker<Owner>(
  options: EmbeddedTaskWorkerOptions,
  codec: PayloadCodec | undefined,
): LocalTaskWorker<Owner> {
  if (codec === undefined) return new EmbeddedTaskWorker<Owner>(options)
  const { clock, logger } = options
  const worker = new EmbeddedTaskWorker<Dispatched<Owner>>(options)
  return new EncryptedTaskWorker<Owner>({ worker, codec, clock, logger })
}
