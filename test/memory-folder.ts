/**
 * A folder in memory, for servers of PostgreSQL that a test has told not to sync. Each of their databases is 300 files, and
 * is made and dropped for one test. On a disk that costs more than the tests: without a journal, ext4 looks at every inode
 * freed in the last seconds for each file that is made. The contract of stores takes 37 s of the processor on such a disk,
 * and 10 s in memory.
 *
 * `npm test` makes it, where there is room. It goes away with that process, however it ends.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, chmodSync, constants, mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const MEMORY_FOLDER = 'PERDURE_TEST_MEMORY'

const SHARED_MEMORY = '/dev/shm'
/** Two files of tests at a time, with a few servers each, of which each has up to 1 GiB of log. In Docker there are 64 MiB. */
const ROOM_BYTES = 8 * 2 ** 30

/** Where data is that nobody syncs: in memory, or among the temporary files. */
export function memoryFolder(): string {
  return process.env[MEMORY_FOLDER] ?? tmpdir()
}

export interface MemoryFolder {
  readonly path: string
  readonly remove: () => Promise<void>
}

/** Undefined where there is no room. */
export function makeMemoryFolder(): MemoryFolder | undefined {
  if (!hasRoom()) return undefined
  const path = mkdtempSync(join(SHARED_MEMORY, 'perdure-test-'))
  // PostgreSQL is another user than root, and has to get in.
  chmodSync(path, 0o755)
  // What is left in memory is lost to the machine: so it is removed by a process that outlives this one.
  const keeper = spawn('sh', ['-c', 'cat > /dev/null; rm -rf "$1"', 'keeper', path], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  const ended = once(keeper, 'exit')
  return {
    path,
    remove: async () => {
      keeper.stdin.end()
      await ended
    },
  }
}

function hasRoom(): boolean {
  if (process.platform !== 'linux' || process.availableMemory() < ROOM_BYTES) return false
  try {
    accessSync(SHARED_MEMORY, constants.W_OK)
    const { bavail, bsize } = statfsSync(SHARED_MEMORY)
    return bavail * bsize >= ROOM_BYTES
  } catch {
    return false
  }
}
