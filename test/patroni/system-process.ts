/** A server process that is not ours: it runs as another user if we are root, and ends with our process however that ends. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { chownSync, closeSync, openSync, readdirSync, readFileSync } from 'node:fs'

/** PostgreSQL does not run as root. */
const NOBODY = 65_534

/** Ends what the files name, each with the id of a process in its first line, when our end of the pipe is closed. */
const KEEPER =
  'cat > /dev/null; for file in "$@"; do pid=$(head -n 1 "$file" 2> /dev/null) && kill -QUIT "$pid" && kill -CONT "$pid"; done'

export function spawnAsUser(command: string, args: readonly string[], log: string): ChildProcess {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PG|PYTHON)/.test(name)))
  const output = openSync(log, 'a')
  try {
    return spawn(command, args, {
      ...asUser(),
      env: { ...env, LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', output, output],
      // Ctrl-C of a terminal is for us: we end it.
      detached: true,
    })
  } finally {
    closeSync(output)
  }
}

export function keeperOf(pidFiles: readonly string[]): ChildProcess {
  const keeper = spawn('sh', ['-c', KEEPER, 'keeper', ...pidFiles], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  keeper.stdin?.on('error', () => undefined)
  keeper.unref()
  return keeper
}

export function giveToUser(path: string): void {
  if (process.getuid?.() === 0) chownSync(path, NOBODY, NOBODY)
}

function asUser(): SpawnOptions {
  return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
}

/** It and its descendants, those before their children. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(name)
    if (parent === undefined) continue
    const siblings = children.get(parent) ?? []
    siblings.push(Number(name))
    children.set(parent, siblings)
  }
  const tree = [pid]
  for (const each of tree) tree.push(...(children.get(each) ?? []))
  return tree
}

/** Undefined for a process that has ended. */
function parentOf(pid: string): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

/** A process that has ended meanwhile is no error. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}
