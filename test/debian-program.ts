/** Programs of Debian that tests need: installed where that may be done unasked. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Another install, as of another test file, is waited for. */
const APT_OPTIONS = ['-o', 'DPkg::Lock::Timeout=300', '-q', '-y', '--no-install-recommends']

export type DebianProgram = { readonly path: string } | { readonly missing: string }

/**
 * As root with apt, or under `CI=true`, the package is installed, and a failure is an error; elsewhere the reason is
 * answered why the suite cannot run.
 */
export function debianProgram(path: string | (() => string | undefined), packageName: string): DebianProgram {
  const find = typeof path === 'string' ? () => (existsSync(path) ? path : undefined) : path
  const present = find()
  if (present !== undefined) return { path: present }
  const isCi = process.env.CI === 'true'
  const hasApt = existsSync('/usr/bin/apt-get')
  if (!isCi && (process.getuid?.() !== 0 || !hasApt)) return { missing: `${packageName} is not installed` }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  let said = ''
  for (const args of [['update'], ['install', packageName]]) {
    const done = spawnSync('apt-get', [...APT_OPTIONS, ...args], { env, encoding: 'utf8' })
    said += `${done.stdout}${done.stderr}${done.error?.message ?? ''}`
  }
  const installed = find()
  if (installed === undefined)
    throw new Error(`${packageName} is needed here, and was not installed:\n${said}`)
  return { path: installed }
}
