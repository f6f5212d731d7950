/** Tells when code has changed: files with code in the directories of the given files, and below. */
import { type FSWatcher, readdirSync, watch } from 'node:fs'
import { extname, join } from 'node:path'

/** Not JSON: programs write that too, and each of their files would end their worker. */
const CODE = /\.[cm]?[jt]s$/
/** Editors write a file in several steps, and version control many files. */
const QUIET_MS = 150
/** Each takes a watch of the operating system. */
const MOST_DIRECTORIES = 2000

export class FileWatch {
  readonly #roots: readonly string[]
  readonly #onChange: () => void
  /** Not all is watched any more. */
  readonly #onTrouble: (why: string) => void
  readonly #watchers = new Map<string, FSWatcher>()
  #timer: NodeJS.Timeout | undefined

  /** @throws Error if there are too many directories, or one cannot be watched */
  constructor(
    roots: readonly string[],
    { onChange, onTrouble }: { onChange: () => void; onTrouble: (why: string) => void },
  ) {
    this.#roots = roots
    this.#onChange = onChange
    this.#onTrouble = onTrouble
    this.#look()
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #look(): void {
    const found = new Set<string>()
    for (const root of this.#roots) addDirectories(root, found)
    for (const [directory, watcher] of this.#watchers) {
      if (found.has(directory)) continue
      watcher.close()
      this.#watchers.delete(directory)
    }
    for (const directory of found) if (!this.#watchers.has(directory)) this.#watch(directory)
  }

  #watch(directory: string): void {
    const watcher = watch(directory, (event, name) => {
      // What comes or goes without an ending may be a directory.
      const isDirectory = event === 'rename' && name !== null && extname(name) === '' && !name.startsWith('.')
      if (isDirectory || name === null || CODE.test(name)) this.#changed()
    })
    // It is gone: the next look goes without it.
    watcher.on('error', () => {
      watcher.close()
      this.#watchers.delete(directory)
    })
    this.#watchers.set(directory, watcher)
  }

  #changed(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      try {
        this.#look()
      } catch (error) {
        this.#onTrouble(error instanceof Error ? error.message : String(error))
      }
      this.#onChange()
    }, QUIET_MS)
  }
}

function addDirectories(directory: string, found: Set<string>): void {
  if (found.has(directory)) return
  found.add(directory)
  if (found.size > MOST_DIRECTORIES)
    throw new Error(
      `more than ${MOST_DIRECTORIES} directories with code to watch: start perdure dev with files of a smaller directory`,
    )
  let entries: ReturnType<typeof entriesOf>
  try {
    entries = entriesOf(directory)
  } catch (error) {
    // It was removed just now.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
  for (const entry of entries)
    if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
      addDirectories(join(directory, entry.name), found)
}

function entriesOf(directory: string) {
  return readdirSync(directory, { withFileTypes: true })
}
