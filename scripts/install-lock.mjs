// One install at a time in one checkout, also when a command is killed half way.
//
// The lock is a folder that is renamed into place with its owner already written inside, so that it never exists
// without an owner. The owner is the command and the npm that it starts: npm outlives a command that is killed, and a
// second npm beside it would destroy node_modules.
//
// A lock whose processes are all gone is renamed to a name made from its owner's token. The rename fails when that
// name exists: of several who see the same dead owner one wins, and none can move the winner's new lock. Such remains
// are removed an hour later. Plain JavaScript for Node 20.0, see run.mjs.

import { randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

const waitMs = 200
const waitLimitMs = 15 * 60_000
const remainsKeptMs = 60 * 60_000

export class InstallLockError extends Error {
  name = 'InstallLockError'
}

/** Waits for the lock kept in `folder`. `addProcess` names a further owner; `release` gives the lock up. */
export async function acquireInstallLock(folder) {
  const owner = { token: randomUUID(), host: hostname(), processes: [identityOf(process.pid)] }
  const lock = join(folder, 'lock')
  const claim = join(folder, `claim-${owner.token}`)
  mkdirSync(claim, { recursive: true })
  removeRemains(folder)
  writeFileSync(join(claim, 'owner.json'), JSON.stringify(owner))
  await moveIntoPlace(claim, lock, folder)
  return {
    addProcess(pid) {
      owner.processes.push(identityOf(pid))
      writeFileSync(join(lock, 'owner.next'), JSON.stringify(owner))
      renameSync(join(lock, 'owner.next'), join(lock, 'owner.json'))
    },
    release() {
      const done = join(folder, `done-${owner.token}`)
      renameSync(lock, done)
      rmSync(done, { recursive: true })
    },
  }
}

async function moveIntoPlace(claim, lock, folder) {
  const deadline = performance.now() + waitLimitMs
  let announced = false
  while (!tryRename(claim, lock)) {
    const holder = readOwner(lock)
    if (holder !== undefined && isGone(holder) && tryRename(lock, join(folder, `stale-${holder.token}`)))
      continue
    const who = holder === undefined ? 'another process' : nameOf(holder)
    if (performance.now() > deadline) {
      rmSync(claim, { recursive: true })
      throw new InstallLockError(`${who} still holds the install lock. If it is not running, delete ${lock}`)
    }
    if (!announced) console.error(`Waiting for ${who}, which is installing (lock: ${lock}) ...`)
    announced = true
    await sleep(waitMs)
  }
}

function nameOf(owner) {
  return `process ${owner.processes.map(({ pid }) => pid).join(' or ')} on ${owner.host}`
}

/** Renames a folder; false when the target exists or another process was faster. */
function tryRename(from, to) {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(error.code)) return false
    // Windows answers EPERM when the target exists.
    if (error.code === 'EPERM' && existsSync(to)) return false
    if (error.code === 'ENOENT' && !existsSync(from)) return false
    throw error
  }
}

function readOwner(lock) {
  try {
    return JSON.parse(readFileSync(join(lock, 'owner.json'), 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    if (error instanceof SyntaxError)
      throw new InstallLockError(`the install lock is damaged. Delete ${lock}`)
    throw error
  }
}

/** True only when it is certain: another machine's process is never called gone. */
function isGone(owner) {
  return owner.host === hostname() && owner.processes.every(hasEnded)
}

function identityOf(pid) {
  return { pid, started: processStart(pid) }
}

function hasEnded({ pid, started }) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return error.code === 'ESRCH'
  }
  const startedNow = processStart(pid)
  return startedNow === 'ended' || (started !== null && startedNow !== null && started !== startedNow)
}

/** What tells a process from a later one with the same id. Linux only; null elsewhere. */
function processStart(pid) {
  if (process.platform !== 'linux') return null
  let stat
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return 'ended'
    return null
  }
  // The command name, in parentheses, may hold anything: fields are counted from its end. State is 3, start is 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : fields[22 - 3]
}

function removeRemains(folder) {
  for (const name of readdirSync(folder)) {
    if (!/^(claim|stale|done)-/.test(name)) continue
    const path = join(folder, name)
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats !== undefined && Date.now() - stats.mtimeMs > remainsKeptMs)
      rmSync(path, { recursive: true, force: true })
  }
}
