/**
 * The key of last resort: an API key in a file of the machine, with which the first keys are made, and which works when nothing
 * else does. It may do everything, and is in no database.
 */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { PerdureError } from '../../protocol/errors.ts'
import { apiKeyOf, hashOfSecret, newApiKey } from './api-key.ts'

export interface AdminKey {
  readonly id: string
  readonly hash: string
  /** It was not there before. */
  readonly isNew: boolean
}

const OTHERS = 0o077
const SIZE_MOST = 1024

/**
 * Makes the file with mode 0600 if it is not there.
 *
 * @throws PerdureError `ARGUMENT_INVALID`: others can read it, it has no key, or it cannot be read or made
 */
export function adminKeyOf(path: string): AdminKey {
  try {
    return read(path) ?? made(path)
  } catch (error) {
    if (error instanceof PerdureError) throw error
    throw invalid(path, `cannot be read or made: ${error instanceof Error ? error.message : error}`)
  }
}

function read(path: string): AdminKey | undefined {
  const file = opened(path)
  if (file === undefined) return undefined
  try {
    // Of the very file that is read: nobody can put another one in its place meanwhile.
    const { mode, size } = fstatSync(file)
    // Windows has no such bits: there, the rights of the directory count.
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0)
      throw invalid(
        path,
        `can be read by others (mode ${(mode & 0o777).toString(8)}): chmod 600, and replace the key if they may have read it`,
      )
    const key = size > SIZE_MOST ? undefined : apiKeyOf(readFileSync(file, 'utf8').trim())
    if (key === undefined) throw invalid(path, 'holds no key: delete it, and another one is made')
    return { id: key.id, hash: hashOfSecret(key.secret), isNew: false }
  } finally {
    closeSync(file)
  }
}

/** It appears with its key in it: other processes that start at the same time find all of it, or nothing. */
function made(path: string): AdminKey {
  const { id, text, hash } = newApiKey()
  const draft = `${path}.${process.pid}`
  const file = openSync(draft, 'wx', 0o600)
  try {
    fchmodSync(file, 0o600)
    writeSync(file, `${text}\n`)
    fsyncSync(file)
    linkSync(draft, path)
  } catch (error) {
    const found = codeOf(error) === 'EEXIST' ? read(path) : undefined
    if (found === undefined) throw error
    // Another process was faster: its key counts.
    return found
  } finally {
    closeSync(file)
    unlinkSync(draft)
  }
  return { id, hash, isNew: true }
}

/** Undefined: it is not there. */
function opened(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function invalid(path: string, why: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `access.adminKeyFile (--admin-key-file) ${path} ${why}`)
}
