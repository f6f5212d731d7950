/** What became of the nodes of the cluster when one of them was killed. */
import type { Recordings, ShardsByNode } from './cluster-database.ts'
import { progressOf } from './kill-moment.ts'
import type { PutRecord } from './object-store.ts'
import type { RecordedUploads } from './upload-journal.ts'
import { executionIdOf, type SourceFile } from './upload-manifest.ts'

export interface NodeKill {
  readonly node: string
  readonly atMs: number
  readonly shards: ShardsByNode
  readonly uploads: RecordedUploads
  /** From the kill until all its shards had other owners. */
  readonly takenOverMs: number
}

export interface NodeLine {
  readonly node: string
  readonly shardsBefore: number
  readonly shardsAfter: number
  /** Uploads in its shards, before and after. */
  readonly uploadsBefore: number
  readonly uploadsAfter: number
  /** Of those before, in mid-file when the node was killed. */
  readonly midFile: number
  /** Of those in mid-file: the time between their last recording before the kill and the first one after it. */
  readonly gapMedianMs: number
  readonly gapMostMs: number
}

export interface ClusterReport {
  readonly nodeKilled: string | null
  readonly shardsOfKilledNode: number
  readonly takenOverMs: number
  /** From the kill until something was recorded in one of its shards. */
  readonly firstMs: number
  /** From the kill until all uploads that the killed node had in mid-file had gone on. Their tasks wait for their turn, too. */
  readonly pauseMs: number
  readonly partsRunAgain: number
  readonly nodes: readonly NodeLine[]
}

export interface ClusterFindings {
  readonly nodeNames: readonly string[]
  readonly nodeKill: NodeKill | undefined
  readonly shardsAfter: ShardsByNode
  /** At the end. */
  readonly recordings: ReadonlyMap<string, Recordings>
}

interface Gap {
  readonly beforeMs: number
  readonly afterMs: number
}

export function clusterReportOf(
  { nodeNames, nodeKill, shardsAfter, recordings }: ClusterFindings,
  { files, puts }: { readonly files: readonly SourceFile[]; readonly puts: readonly PutRecord[] },
): ClusterReport {
  const shardsBefore = nodeKill?.shards ?? shardsAfter
  const uploadsOf = (shards: ReadonlySet<number> | undefined): Recordings[] =>
    [...recordings.values()].filter(({ shard }) => shards?.has(shard) === true)
  const midFile = nodeKill === undefined ? [] : midFileOf(files, nodeKill.uploads)
  const gapsOf = (node: string): Gap[] =>
    midFile.flatMap((id) => {
      const recorded = recordings.get(id)
      if (recorded === undefined || shardsBefore.get(node)?.has(recorded.shard) !== true) return []
      return [gapAround(recorded.atMs, nodeKill?.atMs ?? 0)]
    })
  const killed = nodeKill?.node
  return {
    nodeKilled: killed ?? null,
    shardsOfKilledNode: killed === undefined ? 0 : (shardsBefore.get(killed)?.size ?? 0),
    takenOverMs: nodeKill?.takenOverMs ?? 0,
    firstMs: killed === undefined ? 0 : firstAfter(uploadsOf(shardsBefore.get(killed)), nodeKill?.atMs ?? 0),
    pauseMs: killed === undefined ? 0 : Math.max(0, ...gapsOf(killed).map(({ afterMs }) => afterMs)),
    partsRunAgain: partsRunAgain(puts),
    nodes: nodeNames.map((node) => {
      const gaps = gapsOf(node).map(({ beforeMs, afterMs }) => beforeMs + afterMs)
      return {
        node,
        shardsBefore: shardsBefore.get(node)?.size ?? 0,
        shardsAfter: shardsAfter.get(node)?.size ?? 0,
        uploadsBefore: uploadsOf(shardsBefore.get(node)).length,
        uploadsAfter: uploadsOf(shardsAfter.get(node)).length,
        midFile: gaps.length,
        gapMedianMs: gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0,
        gapMostMs: Math.max(0, ...gaps),
      }
    }),
  }
}

/** Ids of the uploads with some parts recorded, and others not. */
export function midFileOf(files: readonly SourceFile[], uploads: RecordedUploads): string[] {
  return files
    .filter((file) => progressOf([file], uploads).midFile === 1)
    .map(({ path }) => executionIdOf(path))
}

/** How long before and after a moment something was recorded. */
function gapAround(atMs: readonly number[], momentMs: number): Gap {
  const before = Math.max(...atMs.filter((at) => at <= momentMs))
  const after = Math.min(...atMs.filter((at) => at > momentMs))
  const beforeMs = Number.isFinite(before) ? momentMs - before : 0
  return { beforeMs, afterMs: Number.isFinite(after) ? after - momentMs : 0 }
}

function firstAfter(recordings: readonly Recordings[], momentMs: number): number {
  return Math.min(...recordings.flatMap(({ atMs }) => atMs.filter((at) => at > momentMs))) - momentMs
}

/** Parts that the object store has answered well, and has got again: that they were done was not recorded. */
function partsRunAgain(puts: readonly PutRecord[]): number {
  const times = Map.groupBy(
    puts.filter(({ fault }) => fault === 'none'),
    ({ name, part }) => `${part} ${name}`,
  )
  return [...times.values()].filter(({ length }) => length > 1).length
}

export function clusterRowsOf(report: ClusterReport): [name: string, value: string | number][] {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
  if (report.nodeKilled === null) return [['node that was killed', 'no kill']]
  return [
    ['node that was killed', `${report.nodeKilled}, with ${report.shardsOfKilledNode} shards`],
    ['  until its shards had other owners', seconds(report.takenOverMs)],
    ['  until the first of its uploads went on', seconds(report.firstMs)],
    ['  until all that it had in mid-file went on', seconds(report.pauseMs)],
    ['parts that ran again, as their end was not recorded', report.partsRunAgain],
  ]
}

export function nodeRowsOf({ nodes, nodeKilled }: ClusterReport): string[][] {
  return [
    ['node', 'shards', 'after', 'uploads', 'after', 'in mid-file', 'median gap ms', 'longest gap ms'],
    ...nodes.map((line) => [
      line.node === nodeKilled ? `${line.node} (killed)` : line.node,
      ...[line.shardsBefore, line.shardsAfter, line.uploadsBefore, line.uploadsAfter],
      ...[line.midFile, line.gapMedianMs, line.gapMostMs],
    ]),
  ].map((row) => row.map(String))
}
