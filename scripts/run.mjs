// Starts every command of this repository on the pinned Node, whatever Node the machine has.
//
// A fresh machine has some Node 20 and npm, and nothing else. This file installs what the lockfile names when it is
// not installed yet, then starts the command with the installed Node. It is plain JavaScript for Node 20.0 and has
// no dependency, because it runs before anything is installed.
//
// 1. The stamp in node_modules names the lockfile, platform and Node of the last complete install. It is written
//    last, and `npm ci` empties node_modules first: an interrupted install never looks complete.
// 2. Only the holder of the lock installs. A lock whose process is gone is taken over.
// 3. The pinned Node is started by its path: npm 10 does not link it, and a shell may remember another one.
//
// Why it is like this: docs/decisions/0001-pinned-node.md

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { acquireInstallLock } from './install-lock.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stampPath = join(root, 'node_modules', '.perdure-install.json')

// Without a pinned Node the machine's own must run the sources as they are: types stripped, and `await using`.
const hostNodeMajorMin = 24

const parentWatchMs = 500

const commands = {
  demo: 'examples/upload/demo.ts',
  example: 'examples/run.ts',
  test: 'test/run.ts',
  check: 'scripts/check.ts',
  bench: 'bench/bench.ts',
  sim: 'test/simulation/run.ts',
  soak: 'test/soak/run.ts',
  build: 'scripts/build.ts',
  lint: 'node_modules/@biomejs/biome/bin/biome',
}

class BootstrapError extends Error {}

class InstallInterrupted extends Error {
  constructor(outcome) {
    super(`npm ci was ended by ${outcome.signal}`)
    this.outcome = outcome
  }
}

async function main() {
  const [name, ...args] = process.argv.slice(2)
  const entry = entryOf(name)
  const pinned = pinnedNode()
  if (pinned === undefined) requireHostNode(`there is no pinned Node for ${process.platform} ${process.arch}`)
  let stamp = readStamp(pinned)
  if (stamp === undefined) stamp = await install(pinned)
  const node = stamp.runtime === 'pinned' ? pinned.path : process.execPath
  if (stamp.runtime === 'host') requireHostNode(stamp.reason)
  const childArgs = name === 'lint' ? [entry, 'check', ...args] : [entry, ...args]
  exitLike(await run(node, childArgs, { env: childEnvironment(node), stdio: 'inherit' }))
}

function entryOf(name) {
  const names = Object.keys(commands).join(', ')
  if (name === undefined || !Object.hasOwn(commands, name)) {
    throw new BootstrapError(`usage: node scripts/run.mjs COMMAND [ARGUMENT...], COMMAND is one of ${names}`)
  }
  const entry = join(root, commands[name])
  if (name !== 'lint' && !existsSync(entry)) {
    throw new BootstrapError(`"${name}" cannot run: ${commands[name]} does not exist in this checkout`)
  }
  return entry
}

/** The Node of the lockfile for this platform: version and path, installed or not. */
function pinnedNode() {
  const runtime = JSON.parse(readFileSync(join(root, 'scripts', 'node-runtime', 'package.json'), 'utf8'))
  const os = process.platform === 'win32' ? 'win' : process.platform
  const packageName = `node-${os}-${process.arch}`
  const version = runtime.optionalDependencies[packageName]
  if (version === undefined) return undefined
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  return { version, path: join(root, 'node_modules', packageName, 'bin', file) }
}

function requireHostNode(reason) {
  if (Number(process.versions.node.split('.')[0]) >= hostNodeMajorMin) return
  throw new BootstrapError(
    `this command needs Node ${hostNodeMajorMin} or newer, and ${reason}.\n` +
      `Found Node ${process.versions.node} (${process.execPath}). Install Node ${hostNodeMajorMin} and try again.`,
  )
}

function lockfileHash() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
}

/** The stamp of a complete install that still fits, or undefined when an install is needed. */
function readStamp(pinned) {
  if (!existsSync(stampPath)) return undefined
  const stamp = parseStamp(readFileSync(stampPath, 'utf8'))
  if (stamp.lockfile !== lockfileHash()) return undefined
  if (stamp.platform !== `${process.platform}-${process.arch}`) return undefined
  if (stamp.runtime === 'pinned' && (pinned === undefined || !existsSync(pinned.path))) return undefined
  return stamp
}

/** A stamp cut short by a power failure fits nothing, so that the install is repeated. */
function parseStamp(text) {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

async function install(pinned) {
  const lock = await acquireInstallLock(join(root, '.install'))
  try {
    const other = readStamp(pinned)
    if (other !== undefined) return other
    await runInstall((npm) => lock.addProcess(npm.pid))
    return writeStamp(pinned)
  } finally {
    lock.release()
  }
}

async function runInstall(onStart) {
  if (process.platform === 'win32' && process.execPath.startsWith(join(root, 'node_modules'))) {
    throw new BootstrapError(
      'the lockfile has changed, and Windows cannot replace the Node that is running.\nRun: npm ci',
    )
  }
  const npm = findNpm()
  console.error('Installing the dependencies of this checkout (npm ci) ...')
  const flags = ['--include=dev', '--include=optional', '--engine-strict=false']
  // What a user's own npm settings could otherwise turn around.
  flags.push('--package-lock=true', '--install-strategy=hoisted', '--dry-run=false', '--loglevel=error')
  const outcome = await run(npm.command, [...npm.args, 'ci', ...flags], {
    env: installEnvironment(),
    // The standard output belongs to the command alone: `npm run --silent bench -- --json` is read by programs.
    stdio: ['ignore', 2, 2],
    shell: npm.shell,
    onStart,
  })
  if (outcome.signal !== null) throw new InstallInterrupted(outcome)
  if (outcome.code === 0) return
  throw new BootstrapError(
    `npm ci failed with exit code ${outcome.code}; npm's own message is above.\n` +
      'The first run needs the package registry, later runs do not. When the cause is gone, run the command again.',
  )
}

/** How to start npm: the one that started this command, else the one beside this Node, else the one in PATH. */
function findNpm() {
  const own = process.env.npm_execpath
  const ownNode = process.env.npm_node_execpath
  if (own !== undefined && /^npm(-cli)?\.c?js$/.test(basename(own)) && existsSync(own)) {
    // npm's Node stays in place; the one that runs this file may be the one that `npm ci` is about to replace.
    const node = ownNode !== undefined && existsSync(ownNode) ? ownNode : process.execPath
    return { command: node, args: [own], shell: false }
  }
  const bin = dirname(process.execPath)
  for (const folder of [join(bin, 'node_modules'), resolve(bin, '..', 'lib', 'node_modules')]) {
    const cli = join(folder, 'npm', 'bin', 'npm-cli.js')
    if (existsSync(cli)) return { command: process.execPath, args: [cli], shell: false }
  }
  const shell = process.platform === 'win32'
  if (spawnSync('npm', ['--version'], { stdio: 'ignore', shell }).status === 0)
    return { command: 'npm', args: [], shell }
  throw new BootstrapError(
    'npm was not found, and the dependencies are not installed yet. Install npm 10 or newer.',
  )
}

/** Proves that the installed Node starts here (it needs glibc), then writes the stamp. */
function writeStamp(pinned) {
  const stamp = {
    lockfile: lockfileHash(),
    platform: `${process.platform}-${process.arch}`,
    runtime: 'pinned',
  }
  const fault = pinned === undefined ? 'there is none for this platform' : faultOf(pinned)
  if (fault !== undefined) {
    stamp.runtime = 'host'
    stamp.reason = `the pinned Node cannot be used (${fault})`
    // No stamp when nothing can run: the next command tries again from the start.
    requireHostNode(stamp.reason)
  }
  writeFileSync(stampPath, `${JSON.stringify(stamp)}\n`)
  return stamp
}

function faultOf(pinned) {
  if (!existsSync(pinned.path))
    throw new BootstrapError(`npm ci ended well but did not install ${pinned.path}`)
  const probe = spawnSync(pinned.path, ['--version'], { encoding: 'utf8', env: baseEnvironment() })
  if (probe.error !== undefined) return probe.error.message
  if (probe.status !== 0) return probe.stderr.trim() || `exit code ${probe.status}`
  return probe.stdout.trim() === `v${pinned.version}` ? undefined : `it calls itself ${probe.stdout.trim()}`
}

function baseEnvironment() {
  const env = { ...process.env }
  // Options meant for the machine's Node: another version may refuse them and not start at all.
  delete env.NODE_OPTIONS
  return env
}

function installEnvironment() {
  const env = baseEnvironment()
  for (const name of ['workspace', 'workspaces', 'include_workspace_root']) delete env[`npm_config_${name}`]
  return env
}

function childEnvironment(node) {
  const env = baseEnvironment()
  const pathName = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
  env[pathName] = [dirname(node), env[pathName]].filter(Boolean).join(delimiter)
  env.INIT_CWD ??= process.cwd()
  return env
}

/** Runs a child in the repository's root, passes signals on to it, and resolves with how it ended. */
function run(command, args, { onStart, ...options }) {
  return new Promise((settle, reject) => {
    const child = spawn(command, args, { cwd: root, ...options })
    child.once('spawn', () => onStart?.(child))
    const stopForwarding = forwardSignals(child)
    child.once('error', (cause) => {
      stopForwarding()
      reject(new BootstrapError(`cannot start ${command}: ${cause.message}`))
    })
    child.once('exit', (code, signal) => {
      stopForwarding()
      settle({ code, signal })
    })
  })
}

function forwardSignals(child) {
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the whole group; a second one would read as "stop at once".
    if (signal === 'SIGINT' && process.stdin.isTTY) return
    child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, forward)

  // npm passes a signal to its shell only, and the shell dies without passing it on: a new parent means that npm
  // was stopped. Without npm a new parent means nothing (a command left running in the background).
  const parent = process.ppid
  const watch = () => {
    if (process.ppid === parent) return
    clearInterval(timer)
    child.kill('SIGTERM')
  }
  const timer = process.env.npm_execpath === undefined ? undefined : setInterval(watch, parentWatchMs)
  return () => {
    clearInterval(timer)
    for (const signal of signals) process.off(signal, forward)
  }
}

function exitLike({ code, signal }) {
  if (signal === null) {
    process.exitCode = code
    return
  }
  process.exitCode = 128 + constants.signals[signal]
  process.kill(process.pid, signal)
}

main().catch((error) => {
  if (error instanceof InstallInterrupted) return exitLike(error.outcome)
  if (!(error instanceof BootstrapError) && error.name !== 'InstallLockError') throw error
  console.error(`perdure: ${error.message}`)
  process.exitCode = 1
})
