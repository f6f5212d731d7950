/** Policies in files: one file, or all `*.cedar` of a directory, in the order of their names. Read again when they have changed. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Cedar, PolicyInvalidError, type PolicyText, policiesOf } from './policy-set.ts'

const FILES_MOST = 1000
const BYTES_MOST = 4 * 1024 * 1024
const SUFFIX = '.cedar'

export class PolicyFiles {
  readonly #path: string
  readonly #cedar: Cedar
  #seen = ''

  constructor(path: string, cedar: Cedar) {
    this.#path = path
    this.#cedar = cedar
  }

  /** Whether they are others than when they were read last. */
  get haveChanged(): boolean {
    return this.#stamps() !== this.#seen
  }

  /** @throws PolicyInvalidError: a file is not as it should be, or cannot be read */
  read(): readonly PolicyText[] {
    // Before: what changes while they are read is seen at the next look.
    this.#seen = this.#stamps()
    const paths = this.#paths()
    let bytes = 0
    return paths.flatMap((path) => {
      const text = this.#file(path, () => readFileSync(path, 'utf8'))
      bytes += Buffer.byteLength(text)
      if (bytes > BYTES_MOST)
        throw new PolicyInvalidError(`the policies of ${this.#path} are larger than ${BYTES_MOST} bytes`)
      return this.#file(path, () => policiesOf(this.#cedar, text, ['file', basename(path)]))
    })
  }

  #paths(): readonly string[] {
    return this.#file(this.#path, () => {
      if (!statSync(this.#path).isDirectory()) return [this.#path]
      const names = readdirSync(this.#path).filter((name) => name.endsWith(SUFFIX))
      if (names.length > FILES_MOST) throw new PolicyInvalidError(`there are more than ${FILES_MOST} files`)
      return names.sort().map((name) => join(this.#path, name))
    })
  }

  #stamps(): string {
    try {
      return this.#paths()
        .map((path) => {
          const { mtimeMs, size, ino } = statSync(path)
          return `${path}:${mtimeMs}:${size}:${ino}`
        })
        .join('\n')
    } catch (error) {
      return `unreadable: ${error instanceof Error ? error.message : error}`
    }
  }

  #file<T>(path: string, use: () => T): T {
    try {
      return use()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new PolicyInvalidError(`${path}: ${why}`, { cause: error })
    }
  }
}
