/** What is to be uploaded: the files, and the execution of each. All processes but the object store read it, as a JSON file. */
import { createHash } from 'node:crypto'
import type { BalancerName, PolicyName } from './strategies.ts'

export const partBytes = 256 * 1024

/** An empty file has one empty part, so that each upload stores something. */
export const partCount = (fileBytes: number): number => Math.max(1, Math.ceil(fileBytes / partBytes))

export interface SourceFile {
  /** From the folder, with forward slashes. It is the name of the object, too. */
  readonly path: string
  readonly bytes: number
}

export interface Manifest {
  readonly folder: string
  readonly storeUrl: string
  readonly database: string
  /** Of the engine, in all its lives. */
  readonly enginePort: number
  readonly policy: PolicyName
  readonly balancer: BalancerName
  readonly files: readonly SourceFile[]
}

export const engineUrlOf = ({ enginePort }: Manifest): string => `ws://127.0.0.1:${enginePort}`

const idBytesMax = 512

/** The id of the execution that uploads a file: its path, unless that is too long for an id. */
export function executionIdOf(path: string): string {
  if (Buffer.byteLength(path) <= idBytesMax) return path
  return `sha256-${createHash('sha256').update(path).digest('hex')}`
}
