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
  /** Where the engine, or the nodes, keep the journal: `sqlite:PATH` or `postgres://…`. */
  readonly store: string
  /** Of the engine in all its lives, or of each node. */
  readonly urls: readonly string[]
  readonly policy: PolicyName
  readonly balancer: BalancerName
  readonly files: readonly SourceFile[]
}

export const urlOf = (port: number): string => `ws://127.0.0.1:${port}`
export const portOf = (url: string | undefined): number => Number(new URL(url ?? '').port)

const idBytesMax = 512

/** The id of the execution that uploads a file: its path, unless that is too long for an id. */
export function executionIdOf(path: string): string {
  if (Buffer.byteLength(path) <= idBytesMax) return path
  return `sha256-${createHash('sha256').update(path).digest('hex')}`
}
