/**
 * Which sessions of a database live, and whether what the dead had has a new owner. Told by two looks with a pause in between:
 * a node writes its heartbeat twice a second, and others replace one whose heartbeat stands still within about two.
 */
import { heartbeatOf } from '../../store/postgres/database-time.ts'
import { type Check, note, ok, problem } from './check.ts'
import type { AskDatabase } from './database-checks.ts'

const LOOK_MS = 1500
/** A node that has just died is replaced meanwhile. */
const LOOK_AGAIN_MS = 4000

interface SeenSession {
  readonly id: number
  readonly node: string
  readonly beat: number
}

interface Look {
  readonly sessions: readonly SeenSession[]
  /** Shards whose owner is fenced, or that nobody has. */
  readonly ownerless: readonly number[]
}

export interface Liveness {
  readonly isRunning: boolean
  readonly checks: readonly Check[]
}

const SESSIONS = `
  select id, node, ${heartbeatOf('session')} as beat from perdure.session where fenced_at is null order by id`

const OWNERLESS = `
  select id from perdure.shard where not exists (
    select from perdure.session where session.id = shard.session_id and fenced_at is null) order by id`

export async function livenessChecks(ask: AskDatabase): Promise<Liveness> {
  const before = await lookAt(ask)
  if (before.sessions.length === 0)
    return { isRunning: false, checks: [note('engine', 'no engine runs on it')] }
  await pause(LOOK_MS)
  const after = await lookAt(ask)
  const living = livingOf(before, after)
  if (living.length === 0) {
    const nodes = after.sessions.map(({ node, id }) => `${node}, session ${id}`).join('; ')
    return {
      isRunning: false,
      checks: [
        note(
          'engine',
          `no engine runs on it; the last one was ${nodes}`,
          'The next start goes on with what it had.',
        ),
      ],
    }
  }
  const running = ok('engine', living.map(({ node, id }) => `${node} runs, session ${id}`).join('; '))
  return { isRunning: true, checks: [running, ...(await forsakenChecks(ask, before, after))] }
}

async function forsakenChecks(ask: AskDatabase, before: Look, after: Look): Promise<Check[]> {
  const isSuspicious = deadOf(before, after).length > 0 || bothOwnerless(before, after).length > 0
  if (!isSuspicious) return []
  await pause(LOOK_AGAIN_MS)
  const later = await lookAt(ask)
  const dead = deadOf(before, later)
  const ownerless = bothOwnerless(before, later)
  const checks: Check[] = []
  if (dead.length > 0)
    checks.push(
      problem(
        'sessions',
        `the heartbeat stands still, and nobody has ended them: ${dead.map(({ node, id }) => `${node}, session ${id}`).join('; ')}`,
        'Look at the logs of the other nodes: the one that leads should have ended them within two seconds.',
      ),
    )
  if (ownerless.length > 0)
    checks.push(
      problem(
        'shards',
        `${ownerless.length} have no living owner: ${ownerless.slice(0, 10).join(', ')}${ownerless.length > 10 ? ', …' : ''}`,
        'What is in them stands still. Look at the logs of the nodes, and at `perdure shards`; a restart of the leading node makes another one lead.',
      ),
    )
  return checks
}

async function lookAt(ask: AskDatabase): Promise<Look> {
  const sessions = await ask(SESSIONS)
  const ownerless = await ask(OWNERLESS)
  return {
    sessions: sessions.map(({ id, node, beat }) => ({
      id: Number(id),
      node: String(node),
      beat: Number(beat),
    })),
    ownerless: ownerless.map(({ id }) => Number(id)),
  }
}

/** Those that moved, and those that came. */
function livingOf(before: Look, after: Look): readonly SeenSession[] {
  const seen = new Map(before.sessions.map(({ id, beat }) => [id, beat]))
  return after.sessions.filter(({ id, beat }) => seen.get(id) !== beat)
}

function deadOf(before: Look, after: Look): readonly SeenSession[] {
  const seen = new Map(before.sessions.map(({ id, beat }) => [id, beat]))
  return after.sessions.filter(({ id, beat }) => seen.get(id) === beat)
}

function bothOwnerless(before: Look, after: Look): readonly number[] {
  const known = new Set(before.ownerless)
  return after.ownerless.filter((id) => known.has(id))
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
