/** Whether a directory is on a disk. */
import { statfsSync } from 'node:fs'

/** `statfs` of a file system in memory: tmpfs, ramfs. */
const MEMORY_FILE_SYSTEMS = [0x01021994, 0x858458f6]

export function isInMemory(directory: string): boolean {
  return MEMORY_FILE_SYSTEMS.includes(statfsSync(directory).type)
}
