/** Builds the preloaded library that loses, tears and refuses writes and moves the clock. Linux with a C compiler only. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Shim =
  | { readonly library: string }
  /** It cannot be had here, and need not be. */
  | { readonly notRun: string }

/** Required as root or in CI: there it is installed, and a failure is an error. */
const isRequired = process.getuid?.() === 0 || process.env.CI === 'true'

let built: Shim | undefined

export function faultShim(): Shim {
  built ??= build()
  return built
}

/** For `test(name, { skip })`: why the suite does not run here, said aloud; false if it runs. */
export function notRunReason(suite: string): string | false {
  const shim = faultShim()
  if ('library' in shim) return false
  console.log(`NOT RUN: ${suite}: ${shim.notRun}`)
  return `NOT RUN: ${shim.notRun}`
}

/** The library, where the suite is known to run. */
export function shimLibrary(): string {
  const shim = faultShim()
  if ('notRun' in shim) throw new Error(shim.notRun)
  return shim.library
}

function build(): Shim {
  if (process.platform !== 'linux') return { notRun: `there is no LD_PRELOAD on ${process.platform}` }
  const compiler = findCompiler()
  if (compiler === undefined) {
    const reason = 'there is no C compiler (gcc or cc), and only root may install one'
    if (isRequired) throw new Error(`${reason}; apt-get install gcc libc6-dev failed`)
    return { notRun: reason }
  }
  const source = join(import.meta.dirname, 'fault-shim.c')
  const library = join(mkdtempSync(join(tmpdir(), 'perdure-shim-')), 'fault-shim.so')
  const options = [
    '-shared',
    '-fPIC',
    '-O2',
    '-Wall',
    '-Werror',
    '-o',
    `${library}.new`,
    source,
    '-ldl',
    '-lpthread',
  ]
  const { status, stderr } = spawnSync(compiler, options, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${compiler} cannot build ${source}: ${stderr}`)
  renameSync(`${library}.new`, library)
  return { library }
}

function findCompiler(): string | undefined {
  const found = (): string | undefined =>
    ['gcc', 'cc'].find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0)
  const known = found()
  if (known !== undefined || !isRequired || !existsSync('/usr/bin/apt-get')) return known
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args: string[]) =>
    spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  apt('update', '-q')
  apt('install', '-y', '-q', '--no-install-recommends', 'gcc', 'libc6-dev')
  return found()
}
