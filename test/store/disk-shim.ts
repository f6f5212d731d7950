/** Builds the disk shim, and talks to a process that runs with it. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

/** Why the suites that need the shim cannot run here, or undefined if they must. */
export function shimObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'LD_PRELOAD needs Linux'
  if (hasCompiler()) return undefined
  if (process.env.CI !== 'true' && process.getuid?.() !== 0) return 'there is no gcc'
  execFileSync('apt-get', ['update', '-q'], { stdio: 'inherit' })
  execFileSync('apt-get', ['install', '-q', '-y', 'gcc', 'libc6-dev'], { stdio: 'inherit' })
  if (!hasCompiler()) throw new Error('gcc is needed here, and was not installed')
  return undefined
}

function hasCompiler(): boolean {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Numbers of `struct control`. */
const CONTROLS = ['syncs', 'syncErrno', 'writeErrno', 'syncDelayMs'] as const

export type ShimControl = Record<(typeof CONTROLS)[number], number>

export function readControl(path: string): ShimControl {
  const bytes = readFileSync(path)
  const [syncs = 0, syncErrno = 0, writeErrno = 0, syncDelayMs = 0] = CONTROLS.map((_, i) =>
    Number(bytes.readBigUInt64LE(i * 8)),
  )
  return { syncs, syncErrno, writeErrno, syncDelayMs }
}

/** Writes in place: the mapping of the other process stays. */
export function writeControl(path: string, control: Partial<ShimControl>): void {
  const bytes = Buffer.alloc(CONTROLS.length * 8)
  for (const [i, name] of CONTROLS.entries()) bytes.writeBigUInt64LE(BigInt(control[name] ?? 0), i * 8)
  writeFileSync(path, bytes, { flag: 'r+' })
}

export interface DiskShim {
  readonly control: string
  /** For the process that is to run with it. */
  readonly env: NodeJS.ProcessEnv
}

/** `watchedName`: part of the names of the files that count and fail. */
export function buildDiskShim(directory: string, watchedName: string): DiskShim {
  const library = join(directory, 'disk-shim.so')
  const source = join(import.meta.dirname, 'disk-shim.c')
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, source, '-ldl'])
  const control = join(directory, 'disk-shim.control')
  writeFileSync(control, Buffer.alloc(CONTROLS.length * 8))
  const env = { ...process.env, LD_PRELOAD: library, DISK_SHIM: control, DISK_SHIM_NAME: watchedName }
  return { control, env }
}
