/** Puts the parts of an engine together, opens them, and takes them apart again. */
import { ClientCalls } from '../engine/client-calls.ts'
import type { ClusterNode } from '../engine/cluster/cluster-node.ts'
import { Engine } from '../engine/engine.ts'
import type { EngineOptions } from '../engine/engine-options.ts'
import type { LiveExecution } from '../engine/live-execution.ts'
import { Retention } from '../engine/retention.ts'
import type { LiveTask } from '../engine/tasks/live-task.ts'
import { WorkflowCrew } from '../engine/workers/workflow-crew.ts'
import { openTracing } from '../platform/open-tracing.ts'
import type { Caller } from '../protocol/caller.ts'
import type { ClientPort } from '../protocol/client-port.ts'
import type { ClientSettings } from '../sdk/client.ts'
import { localTaskWorker, localWorker } from '../sdk/encryption/local-workers.ts'
import type { PayloadCodec } from '../sdk/encryption/payload-codec.ts'
import { installDeterminismGuards } from '../sdk/runtime/determinism-guards.ts'
import { keepFloatingRejections } from '../sdk/runtime/floating-rejections.ts'
import type { LocalTaskWorker, LocalWorker } from '../sdk/runtime/local-worker.ts'
import { tracedPort } from '../sdk/tracing/traced-port.ts'
import type { Store } from '../store/contract/store.ts'
import { boundedPort } from './access/bounded-port.ts'
import { LateAccess } from './access/late-access.ts'
import { OpenAccess } from './access/open-access.ts'
import type { EngineAccess } from './access/open-closed-access.ts'
import type { EngineAudit } from './audit/engine-audit.ts'
import {
  type BuiltAudit,
  buildAudit,
  EMBEDDED,
  type OpenAudit,
  portsOf,
  REQUESTS,
} from './audit/open-audit.ts'
import { TrailDesk } from './audit/trail-desk.ts'
import { Automation } from './automation.ts'
import { ClaimDesk } from './claims/claim-desk.ts'
import { recordedClaims } from './claims/recorded-claims.ts'
import type { ClusterAssembly, NodeNetwork } from './cluster/cluster-assembly.ts'
import { codedPort, type Knows } from './coded-port.ts'
import { checkedBase, type EngineBase, nameOfProcess } from './engine-base.ts'
import {
  checkSettings,
  DEFAULT_IDLE_EXECUTIONS,
  DEFAULT_TASK_CONCURRENCY,
  type EngineSeams,
  type EngineSettings,
} from './engine-settings.ts'
import { LEAVE_MS, leave } from './leaving.ts'
import { ConnectionCounts } from './listen/connection-counts.ts'
import { Doors } from './listen/doors.ts'
import type { Listener, ListenOptions } from './listen/listen-options.ts'
import { EngineObservation } from './metrics/engine-observation.ts'
import { metricsPage } from './metrics/metrics-page.ts'
import { openClusterStore, openStore } from './open-store.ts'
import { OWN_QUEUES } from './own-queues.ts'
import { OwnTasks } from './own-tasks.ts'
import { checkedPostgresSettings } from './postgres-settings.ts'
import { queueDesigns } from './queue-settings.ts'
import { ReadinessCheck } from './readiness.ts'
import { startRequests } from './requests/open-requests.ts'
import { WebhookTests } from './webhooks/webhook-tests.ts'

const DEFAULT_SHARDS = 256
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
  /** The same for programs in this process: with the encryption of the settings. */
  readonly port: ClientPort
  /** In the name of a caller. */
  readonly portOf: (caller: Caller) => ClientPort
  /** About what this engine has itself. */
  readonly local: ClientCalls
  readonly worker: LocalWorker<LiveExecution>
  readonly taskWorker: LocalTaskWorker<LiveTask>
  readonly workflows: WorkflowCrew<LiveExecution>
  readonly client: ClientSettings
  readonly audit: EngineAudit | undefined
  /** Undefined: whoever reaches a door may do everything. */
  readonly access: EngineAccess | undefined
  /** In a cluster: where this node listens, and its part in the cluster. */
  readonly member: OpenedMember | undefined
  listen(options?: ListenOptions): Promise<Listener>
  close(): Promise<void>
}

/** What the engine is made of. */
interface Built extends EngineBase, Workers {
  readonly store: Store
  readonly assembly: ClusterAssembly | undefined
  readonly engine: Engine
  /** About what this engine has itself. */
  readonly local: ClientCalls
  readonly portOf: (caller: Caller) => ClientPort
  readonly readiness: ReadinessCheck
  readonly own: OwnTasks
  /** Tasks that were given to programs that only speak HTTP. */
  readonly desk: ClaimDesk
  readonly doors: Doors
  /** What access is made of when the engine is open. */
  readonly guarded: ClientPort
  readonly late: LateAccess | undefined
  readonly connections: ConnectionCounts
  readonly observation: EngineObservation | undefined
  readonly recorded: BuiltAudit | undefined
}

type Undoored = Omit<
  Built,
  'portOf' | 'readiness' | 'desk' | 'doors' | 'own' | 'connections' | 'late' | 'guarded'
>

/** What works beside the engine while it is open. */
interface Helpers {
  /** Before the engine stops to serve. */
  stop(): Promise<void>
  /** After it has closed. */
  release(): void
}

/** @throws PerdureError for settings that make no sense; what a store throws that cannot be opened */
export async function openEngine(settings: EngineSettings, seams: EngineSeams): Promise<OpenedEngine> {
  checkSettings(settings)
  const base = checkedBase(settings, seams)
  const tracing = await openTracing(settings.tracing, 'createEngine()', base)
  const built = await buildEngine(settings, seams, { ...base, tracing })
  const { engine, portOf, local, worker, taskWorker, workflows, doors, own, namespace, room, logger } = built
  const member = await openParts(built, seams.network)
  const { encrypted, helpers } = await openRest(settings, seams, built)
  const client: ClientSettings = {
    namespace,
    limits: room,
    warn: logger.warn,
    knows: (workflow, version) => workflows.knows(workflow, version, namespace),
  }
  let closed: Promise<void> | undefined
  return {
    engine,
    calls: portOf(EMBEDDED),
    port: tracedPort(encrypted(portOf(EMBEDDED)), tracing),
    portOf,
    audit: built.recorded?.trail,
    access: built.late?.opened,
    local,
    worker,
    taskWorker,
    workflows,
    client,
    member,
    listen: (options) => {
      own.join()
      return doors.open(options)
    },
    close: () => {
      closed ??= close(built, helpers)
      return closed
    },
  }
}

/** What comes when the engine is open; if it does not, the engine is closed again. */
async function openRest(
  settings: EngineSettings,
  seams: EngineSeams,
  built: Built,
): Promise<{ readonly encrypted: (port: ClientPort) => ClientPort; readonly helpers: Helpers }> {
  let helpers: Helpers | undefined
  try {
    const encrypted = await encryptedBy(built.codec)
    helpers = startHelpers(settings, seams, { ...built, encrypted })
    await openAccess(built)
    return { encrypted, helpers }
  } catch (error) {
    await close(built, helpers ?? { stop: async () => {}, release: () => {} })
    throw error
  }
}

async function buildEngine(settings: EngineSettings, seams: EngineSeams, base: EngineBase): Promise<Built> {
  const { clock, logger, limits, random, clustering, audit, observed } = base
  const workers = workersOf(settings, seams, base)
  const { workflows } = workers
  const designs = queueDesigns(settings.queues ?? [], {
    ...{ random, logger },
    windowTasks: seams.taskWindow,
    own: OWN_QUEUES,
  })
  const { store, shards, assembly } = await openStores(settings, seams, base)
  const observation = observed && new EngineObservation(observed, assembly?.clock ?? clock)
  const engine = new Engine({
    store,
    metrics: observation?.metrics,
    tracing: base.tracing,
    worker: workflows,
    designs,
    clock: assembly?.clock ?? clock,
    logger,
    limits,
    random,
    node: clustering?.name ?? nameOfProcess(),
    shards,
    ...(assembly === undefined ? {} : { cluster: assembly.node.parts }),
    idleLimit: settings.idleExecutions ?? DEFAULT_IDLE_EXECUTIONS,
    ...optionalParts(settings, seams, audit),
  })
  connectWorkers(engine, workers, settings.taskConcurrency)
  const local = new ClientCalls(engine, workflows, assembly?.nodesOf(engine))
  const recorded = buildAudit(engine, audit)
  return withDoors({ ...base, ...workers, store, assembly, engine, local, observation, recorded }, settings)
}

/** What an engine needs to be asked by others. */
function withDoors(parts: Undoored, settings: EngineSettings): Built {
  const { engine, assembly, local, workflows, accessing, store, clock, logger, limits, observation } = parts
  const { recorded } = parts
  const port = assembly?.connect(engine, local) ?? local
  const portOf = portsOf(engine, port)
  const knows: Knows = (...code) => workflows.knows(...code)
  const late = accessing === undefined ? undefined : new LateAccess(accessing.clientCertificates)
  const bounded = late === undefined ? port : boundedPort(port, () => late.places())
  const access = late ?? new OpenAccess((caller) => codedPort(portOf(caller), knows))
  const readiness = new ReadinessCheck({
    ...{ engine, store, clock, node: assembly?.node },
    access: () => late?.opened?.closed,
  })
  const connections = new ConnectionCounts()
  const desk = new ClaimDesk({ engine, clock, logger })
  const allowPrivate = settings.webhooks?.allowPrivate === true
  const tickMs = (): number => clock.tickMs?.() ?? clock.nowMs()
  const doors = new Doors({
    engine,
    workflows,
    logger,
    limits,
    access,
    claims: recordedClaims(assembly?.claimsOf(engine, desk) ?? desk, engine),
    administration: () => late?.opened,
    automation: new Automation({ engine, access, port: bounded, allowPrivate }),
    webhookTests: new WebhookTests({ engine, access, allowPrivate, tickMs }),
    trail: recorded && new TrailDesk({ access, trail: recorded.trail }),
    readiness,
    connections,
    pages: [metricsPage({ registry: observation?.metrics.registry, access, node: engine.options.node })],
    ...assembly?.doors,
  })
  const own = new OwnTasks({ engine, access, allowPrivate })
  const guarded = codedPort(bounded, knows)
  return { ...parts, portOf, readiness, desk, doors, own, connections, late, guarded }
}

/** What encrypts is loaded only where it is used. */
async function encryptedBy(codec: PayloadCodec | undefined): Promise<(port: ClientPort) => ClientPort> {
  if (codec === undefined) return (port) => port
  const { encryptedPort } = await import('../sdk/encryption/encrypted-port.ts')
  return (port) => encryptedPort(port, codec)
}

function startHelpers(
  settings: EngineSettings,
  seams: EngineSeams,
  { encrypted, ...built }: Built & { readonly encrypted: (port: ClientPort) => ClientPort },
): Helpers {
  const { engine, local, own, retentionMs, portOf, workflows, recorded, assembly, observation } = built
  own.start()
  // Its doors are open by now, and others than those of a test bring events.
  if (assembly !== undefined && seams.network === undefined) own.join()
  const retention = retentionMs === undefined ? undefined : new Retention(engine, local, retentionMs)
  retention?.start()
  const requests = startRequests({ engine, calls: encrypted(portOf(REQUESTS)), crew: workflows, settings })
  recorded?.start()
  const guards = guardsOf(settings)
  observation?.begin({
    ...built,
    node: assembly?.node,
    name: engine.options.node,
    tasks: settings.tasks?.length ?? 0,
    isReal: seams.clock === undefined,
  })
  return {
    stop: async () => {
      own.stop()
      retention?.stop()
      await requests?.stop()
      await recorded?.stop()
    },
    release: () => {
      observation?.end()
      for (const release of guards) release()
    },
  }
}

/** The registry is known once the engine is open. */
async function openAccess({ late, accessing, engine, guarded: port, logger, clock }: Built): Promise<void> {
  if (late === undefined || accessing === undefined) return
  const { openClosedAccess } = await import('./access/open-closed-access.ts')
  late.open(await openClosedAccess({ settings: accessing, engine, port, logger, clock }))
}

async function close(built: Built, helpers: Helpers): Promise<void> {
  const { engine, assembly, doors, desk, readiness, clock, clustering, drainDelayMs, graceMs, late } = built
  readiness.beginDraining()
  try {
    await helpers.stop()
    await leave({ assembly, doors, readiness, clock, drainMs: clustering?.drainMs, drainDelayMs })
    // Workers may still tell the end of what runs.
    await engine.close(graceMs)
  } finally {
    desk.close()
    assembly?.close()
    late?.close()
    await doors.close()
    helpers.release()
  }
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
  { engine, assembly, doors, store, clustering }: Built,
  network: NodeNetwork | undefined,
): Promise<OpenedMember | undefined> {
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
  { network, coordinator }: EngineSeams,
  { clustering, clock, random, logger }: EngineBase,
): Promise<{
  readonly store: Store
  readonly shards: number
  readonly assembly: ClusterAssembly | undefined
}> {
  const connections = checkedPostgresSettings(settings)
  if (clustering === undefined)
    return {
      store: await openStore(settings.store, logger, connections),
      shards: DEFAULT_SHARDS,
      assembly: undefined,
    }
  const store = await openClusterStore(settings.store, logger, connections)
  const around = { clock, random, logger, network, coordinator }
  const { ClusterAssembly } = await import('./cluster/cluster-assembly.ts')
  const assembly = new ClusterAssembly({ store, settings: clustering, process: nameOfProcess(), ...around })
  return { store, shards: store.shards, assembly }
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
  {
    clock,
    logger,
    room: limits,
    codec,
    tracing,
  }: Pick<EngineBase, 'clock' | 'logger' | 'room' | 'codec' | 'tracing'>,
): Workers {
  const parts = { clock, logger, limits, tracing }
  const worker = localWorker<LiveExecution>(
    { workflows: workflows ?? [], ...parts, ...(enter === undefined ? {} : { enter }) },
    codec,
  )
  return {
    worker,
    workflows: new WorkflowCrew({
      local: worker,
      clock,
      isRemote: workflows === undefined,
      ...(codeGraceMs === undefined ? {} : { graceMs: codeGraceMs }),
    }),
    taskWorker: localTaskWorker<LiveTask>({ tasks, ...parts }, codec),
  }
}
