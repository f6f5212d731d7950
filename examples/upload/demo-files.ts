/** The files that the demo uploads: those of the user's directory, or those of this repository and generated ones. */
import { execFileSync } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { partBytes, type SourceFile } from './upload-manifest.ts'

const repository = dirname(dirname(import.meta.dirname))
const largeFiles = 8
const mediumFiles = 40
const KiB = 1024
const MiB = 1024 * KiB

/** An error of the user's, not of the program: its message is all that is shown. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** All regular files below a directory, without `.git` and `node_modules`; symbolic links are not followed. */
export function filesBelow(directory: string): SourceFile[] {
  const files: SourceFile[] = []
  for (const path of pathsBelow(directory)) {
    files.push({ path: relative(directory, path).split(sep).join('/'), bytes: statSync(path).size })
  }
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

function* pathsBelow(directory: string): Generator<string> {
  for (const entry of entriesOf(directory)) {
    const path = join(directory, entry.name)
    if (entry.isFile()) yield path
    else if (entry.isDirectory() && entry.name !== 'node_modules' && entry.name !== '.git')
      yield* pathsBelow(path)
  }
}

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new UsageError(`there is no directory ${directory}`, { cause })
    if (code === 'ENOTDIR') throw new UsageError(`${directory} is not a directory`, { cause })
    throw new UsageError(`cannot read ${directory}: ${message}`, { cause })
  }
}

/** Fills a folder with copies of this repository's files, so that edits meanwhile do not matter, and generated ones. */
export function makeDefaultFiles(folder: string, seed: number): void {
  for (const path of repositoryPaths()) {
    const copy = join(folder, 'repository', path)
    mkdirSync(dirname(copy), { recursive: true })
    copyFileSync(join(repository, path), copy)
  }
  mkdirSync(join(folder, 'generated'))
  for (let number = 0; number < largeFiles + mediumFiles; number++) {
    const name = `file-${String(number).padStart(3, '0')}.bin`
    // Different sizes, also of the last part.
    const extra = createHash('sha256').update(`${seed} ${number}`).digest().readUInt16BE() * 4
    generate(
      join(folder, 'generated', name),
      (number < largeFiles ? 8 * MiB : 2 * MiB) + extra,
      `${seed} ${name}`,
    )
  }
}

/** As git lists them; without git, all but what is installed or built. */
function repositoryPaths(): string[] {
  if (!existsSync(join(repository, '.git'))) {
    return filesBelow(repository).flatMap(({ path }) => (/^(dist|\.install)\//.test(path) ? [] : [path]))
  }
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: repository, encoding: 'utf8' })
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(repository, path)))
}

/** Pseudorandom bytes: the key stream of a cipher. */
function generate(path: string, bytes: number, seed: string): void {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(partBytes)
  const fd = openSync(path, 'wx')
  for (let done = 0; done < bytes; done += zeros.length) {
    writeSync(fd, cipher.update(zeros.subarray(0, Math.min(zeros.length, bytes - done))))
  }
  closeSync(fd)
}
