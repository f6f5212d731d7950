/** A directory of its own for a test, removed afterwards. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export async function withDirectory<T>(run: (directory: string) => T | Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-store-'))
  try {
    return await run(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}
