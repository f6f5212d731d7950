/** `npm run bench -- peers`: Perdure beside its peers, on the same workloads. See `--help`. */
import { readFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { isInMemory } from '../file-system.ts'
import { type Contest, contestQueues, contestWorkflows } from './peer-contest.ts'
import {
  installedPackages,
  missingPackages,
  neededPackages,
  PACKAGES,
  restateBinaryPackage,
  type Versions,
} from './peer-packages.ts'
import { peersTables, type QueueRow, type WorkflowRow } from './peer-rows.ts'
import { PeerServers, type PostgresAbout } from './peer-servers.ts'
import type { SideName } from './peer-sides.ts'
import { PEERS_HELP, type PeersCommandLine, parsePeersCommandLine } from './peers-command-line.ts'
import { redisVersion } from './redis-server.ts'

const report = (text: string): void => void process.stderr.write(`${text}\n`)

/** The exit code; undefined if it was interrupted. */
export async function runPeers(
  args: readonly string[],
  isInterrupted: () => boolean,
): Promise<number | undefined> {
  const given = parsePeersCommandLine(args)
  if (given.isHelp) {
    process.stdout.write(PEERS_HELP)
    return 0
  }
  if (isInMemory(tmpdir()))
    report(`${tmpdir()} is in memory: fsync costs nothing there; TMPDIR names another`)
  let faults = 0
  const failed = (side: SideName, reason: string): void => {
    faults += 1
    report(`${side} could not be measured: ${reason}`)
  }
  const { sides, versions } = await readySides(given.sides, failed)
  await using servers = new PeerServers()
  const usesPostgres = sides.some((side) => !['perdure-sqlite', 'restate', 'bullmq'].includes(side))
  const about = aboutRun(versions, usesPostgres ? await servers.postgresAbout() : undefined)
  if (given.isJson) printLine(about)
  const contest: Contest = { ...given, sides, servers, isInterrupted, progress: report, failed }
  const { workflows, queues } = await rowsOf(contest, given)
  if (isInterrupted()) return undefined
  if (!given.isJson) process.stdout.write(`${aboutText(about)}\n\n${peersTables(workflows, queues)}\n`)
  return faults > 0 ? 1 : 0
}

async function rowsOf(
  contest: Contest,
  { inFlight, isJson }: PeersCommandLine,
): Promise<{ workflows: WorkflowRow[]; queues: QueueRow[] }> {
  const workflows: WorkflowRow[] = []
  for (const count of inFlight) {
    const rows = await contestWorkflows(contest, count)
    workflows.push(...rows)
    if (isJson) rows.forEach(printLine)
  }
  const queues = await contestQueues(contest)
  if (isJson) queues.forEach(printLine)
  return { workflows, queues }
}

function printLine(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** Installs what is missing, and leaves out who still lacks something. */
async function readySides(
  wantedSides: readonly SideName[],
  failed: Contest['failed'],
): Promise<{ readonly sides: readonly SideName[]; readonly versions: Map<string, string> }> {
  const { installed, wanted } = await installedPackages(wantedSides, report)
  const versions = new Map([['perdure', perdureVersion()]])
  const sides = wantedSides.filter((side) => {
    try {
      const missing = missingPackages(neededPackages(side), wanted, installed)
      if (missing.length > 0) throw new Error(`${missing.join(' and ')} could not be installed`)
      if (side === 'bullmq') versions.set('redis-server', redisVersion())
      for (const name of versionedPackages(side)) versions.set(name, installed.get(name) ?? '')
      return true
    } catch (error) {
      failed(side, error instanceof Error ? error.message : String(error))
      return false
    }
  })
  return { sides, versions }
}

function versionedPackages(side: SideName): readonly string[] {
  return PACKAGES[side].filter((name) => name !== restateBinaryPackage())
}

function perdureVersion(): string {
  const file = join(import.meta.dirname, '..', '..', 'package.json')
  return String(JSON.parse(readFileSync(file, 'utf8')).version)
}

function aboutRun(versions: Versions, postgres: PostgresAbout | undefined) {
  return {
    workload: 'peers',
    date: new Date().toISOString().slice(0, 10),
    cores: availableParallelism(),
    node: process.versions.node,
    postgres,
    versions: Object.fromEntries(versions),
  }
}

function aboutText({ date, cores, node, postgres, versions }: ReturnType<typeof aboutRun>): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const database =
    postgres === undefined
      ? []
      : [
          `PostgreSQL ${postgres.version} (fsync ${postgres.fsync}, synchronous_commit ${postgres.synchronousCommit})`,
        ]
  return `${date}, ${cores} cores, ${[`Node ${node}`, ...database, ...programs].join(', ')}`
}
