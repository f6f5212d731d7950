/** Settings of a worker in a process of its own, checked. */
import { availableParallelism, totalmem } from 'node:os'
import { jsonLogger, type Logger, safeLogger } from '../../platform/logger.ts'
import { checkedToken } from '../../platform/shown-token.ts'
import { TlsIdentity, type TlsSettings } from '../../platform/tls.ts'
import type { TokenSetting } from '../../platform/token-setting.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { CREDITS_MAX, type WorkerHello } from '../../protocol/worker-messages.ts'
import { checkedOptions, type OptionNames } from '../checked-arguments.ts'
import { checkedUrls } from '../checked-urls.ts'
import type { Workflow } from '../definition.ts'
import { checkedEncryption, type Encryption } from '../encryption/encryption.ts'
import type { PayloadCodec } from '../encryption/payload-codec.ts'
import type { Task } from '../tasks/task.ts'
import { checkedLabels } from '../tasks/task-options.ts'

export interface WorkerSettings {
  /**
   * Of the engine: `url` of what `engine.listen()` gives, such as `ws://127.0.0.1:7233`. Of a cluster one of its nodes, or
   * several, so that one of them may be down: the worker connects to all nodes, and follows them as they come and go.
   */
  readonly url: string | readonly string[]
  /** Tasks that this worker has code for. Default: none. */
  readonly tasks?: readonly Task[]
  /** Workflows that this worker has code for: their steps run here too. Default: none. */
  readonly workflows?: readonly Workflow[]
  /** Queues that it serves. Default: all of the namespace. */
  readonly queues?: readonly string[]
  /** Tasks that run at once, 1 to 100,000. Default 64. */
  readonly concurrency?: number
  /** Default `'default'`. */
  readonly namespace?: string
  /** Unique among the workers of the engine; shown to people. Default: the worker makes one. */
  readonly id?: string
  /**
   * Of the code: a version or a commit. Executions go on with the build that they began on while a worker has it, and with
   * another one only if it can replay them.
   */
  readonly build?: string
  readonly zone?: string
  /** What tasks may require of it. */
  readonly labels?: Readonly<Record<string, string>>
  /** What tasks that require CPU or memory may use of it in all. Default: the cores and the memory of the machine. */
  readonly capacity?: { readonly cpu?: number; readonly memoryMb?: number }
  /** Its share for balancers that know weights, relative to others. Default 1. */
  readonly weight?: number
  /** How long `close` waits for running tasks; what still runs then is given back. Default `'10s'`. */
  readonly shutdownGrace?: Duration
  /** Default: JSON lines on standard error, warnings and errors. */
  readonly logger?: Logger
  /** As of `createEngine`: calls of workflow code that replay could not repeat are refused. Default: false. */
  readonly determinismGuards?: boolean
  /** For `wss:` URLs: the certificate of this worker, its key, and the authority of the engine. */
  readonly tls?: TlsSettings
  /**
   * An API key or a token (JWT), for engines with `access`; a function is asked for each connection. Only for `wss:` URLs, and
   * for those of this machine.
   */
  readonly token?: TokenSetting
  /** Of payloads: what `openEncryption` gave. Default: they are not encrypted. */
  readonly encryption?: Encryption
  /** Steps and tasks that run here have spans, as of `createEngine`. Default: false. */
  readonly tracing?: boolean
}

export interface CheckedWorkerSettings {
  readonly urls: readonly string[]
  readonly tasks: readonly Task[]
  readonly workflows: readonly Workflow[]
  readonly determinismGuards: boolean
  readonly hello: WorkerHello
  readonly graceMs: number
  readonly logger: Logger
  readonly tls: TlsIdentity | undefined
  readonly token: TokenSetting | undefined
  readonly codec?: PayloadCodec | undefined
  readonly tracing?: boolean | undefined
}

const SETTINGS: OptionNames<WorkerSettings> = {
  url: true,
  tasks: true,
  workflows: true,
  queues: true,
  concurrency: true,
  namespace: true,
  id: true,
  build: true,
  zone: true,
  labels: true,
  capacity: true,
  weight: true,
  shutdownGrace: true,
  logger: true,
  determinismGuards: true,
  tls: true,
  token: true,
  encryption: true,
  tracing: true,
}
const DEFAULT_CONCURRENCY = 64
const MIB = 1024 * 1024

/** @throws PerdureError `ARGUMENT_INVALID`, `ID_INVALID`, `DURATION_INVALID` */
export function checkedWorkerSettings(given: WorkerSettings): CheckedWorkerSettings {
  const settings = checkedOptions(given, 'createWorker()', SETTINGS)
  const {
    tasks = [],
    workflows = [],
    queues,
    concurrency = DEFAULT_CONCURRENCY,
    namespace = DEFAULT_NAMESPACE,
  } = settings
  const { id, build, zone, labels, capacity, weight, tls, token } = settings
  const logger = settings.logger === undefined ? jsonLogger() : safeLogger(settings.logger)
  checkCode(tasks, workflows)
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > CREDITS_MAX)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `concurrency is ${concurrency}, not a whole number from 1 to ${CREDITS_MAX}`,
    )
  if (queues !== undefined && (!Array.isArray(queues) || queues.length === 0))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      'createWorker({ queues }) is not a list with at least one name',
    )
  if (weight !== undefined && !(weight >= 1e-6 && weight <= 1000))
    throw new PerdureError('ARGUMENT_INVALID', `weight is ${weight}, not a number from 1e-6 to 1000`)
  const urls = checkedUrls(settings.url, 'createWorker()', tls !== undefined)
  return {
    urls,
    token: checkedToken(token, urls, 'createWorker({ token })'),
    tasks,
    workflows,
    determinismGuards: settings.determinismGuards === true,
    tracing: settings.tracing,
    graceMs: durationMs(settings.shutdownGrace ?? '10s', 'shutdownGrace'),
    logger,
    codec: checkedEncryption(settings.encryption, 'createWorker()')?.codec,
    tls: tls === undefined ? undefined : new TlsIdentity(tls, 'createWorker({ tls })', logger.warn),
    hello: {
      type: 'hello',
      ...(id === undefined ? {} : { worker: checkedName(id, 'the id of a worker') }),
      ...(build === undefined ? {} : { build: checkedName(build, 'the build of a worker') }),
      namespace: checkedName(namespace, 'the namespace'),
      tasks: tasks.map(({ name }) => name),
      ...(workflows.length === 0
        ? {}
        : { workflows: workflows.map(({ name, version }) => ({ name, version })) }),
      ...(queues === undefined
        ? {}
        : { queues: queues.map((each) => checkedName(each, 'the name of a queue')) }),
      credits: concurrency,
      ...(zone === undefined ? {} : { zone: checkedName(zone, 'the zone of a worker') }),
      ...(labels === undefined ? {} : { labels: checkedLabels(labels, DEFAULT_LIMITS) }),
      capacity: {
        cpu: checkedAmount(capacity?.cpu ?? availableParallelism(), 'cpu'),
        memoryMb: checkedAmount(capacity?.memoryMb ?? Math.floor(totalmem() / MIB), 'memoryMb'),
      },
      ...(weight === undefined ? {} : { weight }),
      followsNodes: true,
    },
  }
}

function checkCode(tasks: readonly Task[], workflows: readonly Workflow[]): void {
  for (const [name, list] of Object.entries({ tasks, workflows }))
    if (!Array.isArray(list))
      throw new PerdureError('ARGUMENT_INVALID', `createWorker({ ${name} }) is not a list`)
  if (tasks.length + workflows.length === 0)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      'createWorker() needs tasks or workflows: this worker has no code',
    )
  for (const workflow of workflows)
    if (workflow?.kind !== 'workflow')
      throw new PerdureError(
        'ARGUMENT_INVALID',
        'createWorker({ workflows }) has an item that workflow() did not make',
      )
  for (const task of tasks)
    if (task?.kind !== 'task')
      throw new PerdureError(
        'ARGUMENT_INVALID',
        'createWorker({ tasks }) has an item that task() did not make',
      )
}

function checkedAmount(amount: number, what: string): number {
  if (!(Number.isFinite(amount) && amount >= 0))
    throw new PerdureError('ARGUMENT_INVALID', `capacity.${what} is ${amount}, not a number of 0 or more`)
  return amount
}
