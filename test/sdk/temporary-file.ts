/** Files that are gone when the test is over. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryFile extends Disposable {
  readonly path: string
}

export function temporaryFile(name: string): TemporaryFile {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-sdk-'))
  return {
    path: join(directory, name),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }),
  }
}
