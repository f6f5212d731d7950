/// <reference lib="esnext.disposable" preserve="true" />
/** `createEngine`: puts store, worker, engine and client together in one process. */
import { hostname } from 'node:os'
import { ClientCalls } from '../engine/client-calls.ts'
import type { ClusterNode } from '../engine/cluster/cluster-node.ts'
import { Engine } from '../engine/engine.ts'
import type { EngineCounters } from '../engine/engine-counters.ts'
import type { EngineOptions } from '../engine/engine-options.ts'
import type { LiveExecution } from '../engine/live-execution.ts'
import { Retention } from '../engine/retention.ts'
import type { LiveTask } from '../engine/tasks/live-task.ts'
import { WorkflowCrew } from '../engine/workers/workflow-crew.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { jsonLogger, type Logger, safeLogger } from '../platform/logger.ts'
import { systemRandomness } from '../platform/randomness.ts'
import type { Caller } from '../protocol/caller.ts'
import { checkedName } from '../protocol/checked-text.ts'
import type { ClientPort } from '../protocol/client-port.ts'
import { durationMs, optionalMs } from '../protocol/duration.ts'
import { DEFAULT_NAMESPACE } from '../protocol/ids.ts'
import type { Limits } from '../protocol/limits.ts'
import { Client, type ClientSettings } from '../sdk/client.ts'
import { installDeterminismGuards } from '../sdk/runtime/determinism-guards.ts'
import { EmbeddedWorker } from '../sdk/runtime/embedded-worker.ts'
import { keepFloatingRejections } from '../sdk/runtime/floating-rejections.ts'
import { EmbeddedTaskWorker } from '../sdk/tasks/embedded-task-worker.ts'
import type { ReplicatedStore, ShownReadCounts } from '../store/contract/shown-reads.ts'
import type { Store } from '../store/contract/store.ts'
import { OpenAccess } from './access/open-access.ts'
import type { EngineAudit } from './audit/engine-audit.ts'
import { EMBEDDED, type OpenAudit, openAudit, portsOf, REQUESTS, startAudit } from './audit/open-audit.ts'
import { ClusterAssembly, type NodeNetwork } from './cluster/cluster-assembly.ts'
import { type CheckedClusterSettings, checkedClusterSettings } from './cluster/cluster-settings.ts'
import {
  checkedLimits,
  checkSettingNames,
  checkSettings,
  DEFAULT_IDLE_EXECUTIONS,
  DEFAULT_TASK_CONCURRENCY,
  type EngineSeams,
  type EngineSettings,
} from './engine-settings.ts'
import { Doors } from './listen/doors.ts'
import type { Listener, ListenOptions } from './listen/protocol-server.ts'
import { openClusterStore, openStore } from './open-store.ts'
import { checkedPostgresSettings } from './postgres-settings.ts'
import { queueDesigns } from './queue-settings.ts'
import { startRequests } from './requests/open-requests.ts'

export type { EngineSeams, EngineSettings } from './engine-settings.ts'

const DEFAULT_SHARDS = 256
/** Clients of a node that ends are waited for so long, until their last calls are answered. */
const LEAVE_MS = 5000
/** The worker in the process of the engine. */
const LOCAL_WORKER = 'local'

/** A node that is open. */
export interface OpenedMember {
  readonly url: string
  readonly node: ClusterNode
}

/** The parts of an engine, put together and open. */
export interface OpenedEngine {
  readonly engine: Engine
  /** In the name of the program itself. */
  readonly calls: ClientPort
  /** In the name of a caller. */
  readonly portOf: (caller: Caller) => ClientPort
  /** About what this engine has itself. */
  readonly local: ClientCalls
  readonly worker: EmbeddedWorker<LiveExecution>
  readonly taskWorker: EmbeddedTaskWorker<LiveTask>
  readonly workflows: WorkflowCrew<LiveExecution>
  readonly client: ClientSettings
  readonly audit: EngineAudit | undefined
  /** In a cluster: where this node listens, and its part in the cluster. */
  readonly member: OpenedMember | undefined
  listen(options?: ListenOptions): Promise<Listener>
  close(): Promise<void>
}

/** An engine in this process: starts and runs executions, and answers for them. */
export class EmbeddedEngine extends Client implements AsyncDisposable {
  readonly #engine: Engine
  readonly #opened: OpenedEngine

  constructor(opened: OpenedEngine) {
    super(opened.calls, opened.client)
    this.#engine = opened.engine
    this.#opened = opened
  }

  /** Counts since the start, for benchmarks and tests. */
  get counters(): Readonly<EngineCounters> {
    return this.#engine.counters
  }

  /** With `readStore`: how many reads of lists and history the replica has answered since the start, and how many the primary. */
  get replicaCounts(): ShownReadCounts | undefined {
    const store: Store & Partial<ReplicatedStore> = this.#engine.options.store
    return store.shown === undefined ? undefined : store.shownCounts
  }

  /** Nothing runs and nothing is to be committed. */
  get isQuiet(): boolean {
    return this.#engine.isQuiet
  }

  get isFailed(): boolean {
    return this.#engine.isFailed
  }

  /** With `audit`: what was recorded. */
  get audit(): EngineAudit | undefined {
    return this.#opened.audit
  }

  /** In a cluster: where this node listens for workers, clients and other nodes, such as `ws://127.0.0.1:7233`. */
  get url(): string | undefined {
    return this.#opened.member?.url
  }

  /** In a cluster: shards that this node has now. */
  get shards(): number {
    return this.#engine.ownership.size
  }

  /** Lets workers (`createWorker({ url, … })`) and clients (`connect(url)`) of other processes in. On this machine only. */
  async listen(options?: ListenOptions): Promise<Listener> {
    this.#engine.assertOpen()
    return this.#opened.listen(options)
  }

  /** Takes no more calls, lets running steps finish (up to `shutdownGrace`), commits, and closes the store. */
  async close(): Promise<void> {
    await this.#opened.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export async function createEngine(settings: EngineSettings): Promise<EmbeddedEngine> {
  checkSettingNames(settings)
  return assembleEngine(settings, {})
}

export async function assembleEngine(settings: EngineSettings, seams: EngineSeams): Promise<EmbeddedEngine> {
  return new EmbeddedEngine(await openEngine(settings, seams))
}

export async function openEngine(settings: EngineSettings, seams: EngineSeams): Promise<OpenedEngine> {
  checkSettings(settings)
  const idleLimit = settings.idleExecutions ?? DEFAULT_IDLE_EXECUTIONS
  const limits = checkedLimits(settings.limits)
  const clock = seams.clock ?? systemClock
  const logger = settings.logger === undefined ? jsonLogger() : safeLogger(settings.logger)
  const namespace = checkedName(settings.namespace ?? DEFAULT_NAMESPACE, 'the namespace')
  const graceMs = durationMs(settings.shutdownGrace ?? '10s', 'shutdownGrace')
  const retentionMs = optionalMs(settings.retention, 'retention')
  const random = seams.random ?? systemRandomness
  const audit = openAudit(settings.audit, logger)
  const { worker, taskWorker, workflows } = workersOf(settings, seams, { clock, logger, limits })
  const designs = queueDesigns(settings.queues ?? [], { random, logger, windowTasks: seams.taskWindow })
  const clustering = settings.cluster === undefined ? undefined : checkedClusterSettings(settings.cluster)
  const around = { clock, random, logger, network: seams.network, coordinator: seams.coordinator }
  const { store, shards, assembly } = await openStores(settings, clustering, around)
  const engine = new Engine({
    store,
    worker: workflows,
    designs,
    clock: assembly?.clock ?? clock,
    logger,
    limits,
    random,
    node: clustering?.name ?? nameOfProcess(),
    shards,
    ...(assembly === undefined ? {} : { cluster: assembly.node.parts }),
    idleLimit,
    ...optionalParts(settings, seams, audit),
  })
  connectWorkers(engine, { worker, taskWorker, workflows }, settings.taskConcurrency)
  const local = new ClientCalls(engine, workflows, assembly?.nodesOf(engine))
  const portOf = portsOf(engine, assembly?.connect(engine, local) ?? local)
  const parts = { engine, workflows, logger, limits, access: new OpenAccess(portOf) }
  const doors = new Doors({ ...parts, ...assembly?.doors })
  const member = await openParts({ engine, assembly, doors, store, network: seams.network }, clustering)
  const retention = startRetention(engine, local, retentionMs)
  const requests = startRequests({ engine, calls: portOf(REQUESTS), crew: workflows, settings })
  const trail = startAudit(engine, audit)
  const released = guardsOf(settings)
  const client: ClientSettings = {
    namespace,
    limits,
    warn: logger.warn,
    knows: (workflow, version) => workflows.knows(workflow, version, namespace),
  }
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    retention?.stop()
    try {
      await requests?.stop()
      await trail?.stop()
      await leaveCluster(assembly, doors, clustering?.drainMs)
      // Workers may still tell the end of what runs.
      await engine.close(graceMs)
    } finally {
      assembly?.close()
      await doors.close()
      for (const release of released) release()
    }
  }
  return {
    engine,
    calls: portOf(EMBEDDED),
    portOf,
    audit: trail?.trail,
    local,
    worker,
    taskWorker,
    workflows,
    client,
    member,
    listen: (options) => doors.open(options),
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

function startRetention(
  engine: Engine,
  local: ClientCalls,
  retentionMs: number | undefined,
): Retention | undefined {
  if (retentionMs === undefined) return undefined
  const retention = new Retention(engine, local, retentionMs)
  retention.start()
  return retention
}

async function leaveCluster(
  assembly: ClusterAssembly | undefined,
  doors: Doors,
  drainMs: number | undefined,
): Promise<void> {
  if (assembly === undefined) return
  await assembly.node.drain(drainMs ?? 0)
  if (assembly.node.others().length > 0) await doors.leave(LEAVE_MS)
}

function optionalParts(
  { onFailed }: EngineSettings,
  { timerLookaheadMs, timerPageRows }: EngineSeams,
  audit: OpenAudit | undefined,
): Pick<EngineOptions, 'timerLookaheadMs' | 'timerPageRows' | 'onFailed' | 'audit'> {
  return {
    ...(audit === undefined ? {} : { audit: audit.chain }),
    ...(onFailed === undefined ? {} : { onFailed }),
    ...(timerLookaheadMs === undefined ? {} : { timerLookaheadMs }),
    ...(timerPageRows === undefined ? {} : { timerPageRows }),
  }
}

/** What workflow code needs of the process. */
function guardsOf({ determinismGuards = false }: EngineSettings): (() => void)[] {
  return [keepFloatingRejections(), ...(determinismGuards ? [installDeterminismGuards()] : [])]
}

/** A node listens before it joins: others are told where. */
async function openParts(
  parts: {
    readonly engine: Engine
    readonly assembly: ClusterAssembly | undefined
    readonly doors: Doors
    readonly store: Store
    readonly network: NodeNetwork | undefined
  },
  clustering: CheckedClusterSettings | undefined,
): Promise<OpenedMember | undefined> {
  const { engine, assembly, doors, store, network } = parts
  try {
    if (assembly === undefined) {
      await engine.open()
      return undefined
    }
    const url = network?.listen(assembly.doors.door) ?? (await doors.open(clustering?.listen)).url
    await assembly.open(engine, url, () => void doors.leave(LEAVE_MS))
    return { url, node: assembly.node }
  } catch (error) {
    await doors.close()
    await store.close()
    throw error
  }
}

/** The store, and what a node needs beside it. */
async function openStores(
  settings: EngineSettings,
  clustering: CheckedClusterSettings | undefined,
  parts: Pick<
    ConstructorParameters<typeof ClusterAssembly>[0],
    'clock' | 'random' | 'logger' | 'network' | 'coordinator'
  >,
): Promise<{
  readonly store: Store
  readonly shards: number
  readonly assembly: ClusterAssembly | undefined
}> {
  const connections = checkedPostgresSettings(settings)
  if (clustering === undefined)
    return {
      store: await openStore(settings.store, parts.logger, connections),
      shards: DEFAULT_SHARDS,
      assembly: undefined,
    }
  const store = await openClusterStore(settings.store, parts.logger, connections)
  const assembly = new ClusterAssembly({ store, settings: clustering, process: nameOfProcess(), ...parts })
  return { store, shards: store.shards, assembly }
}

/** For people. */
function nameOfProcess(): string {
  return `${hostname()}:${process.pid}`
}

type Workers = Pick<OpenedEngine, 'worker' | 'taskWorker' | 'workflows'>

function connectWorkers(
  engine: Engine,
  { worker, taskWorker, workflows }: Workers,
  credits = DEFAULT_TASK_CONCURRENCY,
): void {
  worker.connect(engine)
  workflows.connect(engine)
  const { attempts } = engine.tasks
  taskWorker.connect(attempts)
  attempts.join({ id: LOCAL_WORKER, credits, isLocal: true }, taskWorker)
}

/** What runs the code of this process, and whoever else runs workflows. */
function workersOf(
  { workflows, tasks = [] }: EngineSettings,
  { enter, codeGraceMs }: EngineSeams,
  parts: { readonly clock: Clock; readonly logger: Logger; readonly limits: Limits },
): Workers {
  const worker = new EmbeddedWorker<LiveExecution>({
    workflows: workflows ?? [],
    ...parts,
    ...(enter === undefined ? {} : { enter }),
  })
  return {
    worker,
    workflows: new WorkflowCrew({
      local: worker,
      clock: parts.clock,
      isRemote: workflows === undefined,
      ...(codeGraceMs === undefined ? {} : { graceMs: codeGraceMs }),
    }),
    taskWorker: new EmbeddedTaskWorker<LiveTask>({ tasks, ...parts }),
  }
}
