/** Settings of `perdure start`: a flag over the environment over the configuration file. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TlsSettings } from '../../platform/tls.ts'
import type { Workflow } from '../../sdk/definition.ts'
import type { Task } from '../../sdk/tasks/task.ts'
import type { AccessSettings } from '../../server/access/access-settings.ts'
import type { AuditSettings } from '../../server/audit/audit-settings.ts'
import type { CoordinatorSettings } from '../../server/cluster/etcd/etcd-settings.ts'
import type { ProxySettings } from '../../server/listen/proxy-settings.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { QueueSettings } from '../../server/queue-settings.ts'
import type { CommandCall } from '../command.ts'
import { tlsOf } from '../tls-options.ts'
import { UsageError } from '../usage-error.ts'
import {
  addressOf,
  countOf,
  flagOf,
  listenOf,
  metricsOf,
  nameOf,
  pathsOf,
  postgresOf,
  queuesOf,
  readStoreOf,
  storeOf,
  timeOf,
  weightOf,
} from './checked-values.ts'
import { at, type ConfigFile, checked, GivenSettings } from './given-settings.ts'
import { startAccess } from './start-access.ts'
import { startAudit } from './start-audit.ts'
import { startCoordinator } from './start-coordinator.ts'
import { startEncryption } from './start-encryption.ts'
import { startHttp, startWebhooks } from './start-http.ts'
import { startProxies } from './start-proxies.ts'

export interface StartSettings {
  readonly store: string
  readonly readStore: string | undefined
  readonly postgres: PerdureConfig['postgres']
  readonly host: string
  readonly port: number
  readonly address: string | undefined
  readonly tls: TlsSettings | undefined
  readonly name: string | undefined
  readonly weight: number | undefined
  readonly coordinator: CoordinatorSettings | undefined
  readonly namespace: string | undefined
  readonly taskConcurrency: number | undefined
  readonly retentionMs: number | undefined
  readonly proxies: ProxySettings
  readonly drainDelayMs: number | undefined
  readonly audit: AuditSettings | undefined
  readonly access: AccessSettings | undefined
  readonly metrics: PerdureConfig['metrics']
  readonly tracing: boolean | undefined
  readonly http: PerdureConfig['http']
  readonly encryption: PerdureConfig['encryption']
  readonly webhooks: PerdureConfig['webhooks']
  readonly insecureListen: boolean
  readonly processes: number
  /** Absolute. */
  readonly files: readonly string[]
  readonly queues: readonly QueueSettings[]
}

export interface Definitions {
  readonly workflows: readonly Workflow[]
  readonly tasks: readonly Task[]
  readonly queues: readonly QueueSettings[]
}

const CONFIG_FILES = ['perdure.config.ts', 'perdure.config.mjs', 'perdure.config.js'] as const
const CONFIG_NAMES: Readonly<Record<keyof PerdureConfig, true>> = {
  store: true,
  readStore: true,
  postgres: true,
  workflows: true,
  listen: true,
  address: true,
  tls: true,
  name: true,
  weight: true,
  coordinator: true,
  namespace: true,
  taskConcurrency: true,
  queues: true,
  retention: true,
  audit: true,
  access: true,
  metrics: true,
  tracing: true,
  encryption: true,
  webhooks: true,
  processes: true,
  trustedProxies: true,
  forwardedHeader: true,
  proxyProtocol: true,
  tlsPassThrough: true,
  drainDelay: true,
  http: true,
}
const DEFAULT_LISTEN = '127.0.0.1:7233'
const SYNTAX_CHECK_MS = 5000

export async function startSettings(call: CommandCall): Promise<StartSettings> {
  const { directory } = call
  const file = await configOf(call)
  const { config } = file
  const base = file.path === undefined ? directory : dirname(file.path)
  const given = new GivenSettings(call, file)
  const store = checked(given.of('store', 'store', 'PERDURE_STORE'), storeOf)
  if (store === undefined)
    throw new UsageError(
      'no store was named',
      'Name it with --store postgres://USER@HOST:PORT/DATABASE or --store sqlite:PATH, in PERDURE_STORE, or in perdure.config.ts.',
    )
  usePasswordFile(call.options.text('password-file') ?? nonEmpty(call.env.PERDURE_PASSWORD_FILE), directory)
  const { host, port } =
    checked(given.of('listen', 'listen', 'PERDURE_LISTEN'), listenOf) ?? listenOf(DEFAULT_LISTEN)
  return {
    store,
    readStore: checked(given.of('readStore', 'read-store', 'PERDURE_READ_STORE'), (value) =>
      readStoreOf(value, store),
    ),
    postgres: checked(given.ofFile('postgres'), (value) => postgresOf(value, store)),
    host,
    port,
    address: checked(given.of('address', 'address', 'PERDURE_ADDRESS'), addressOf),
    tls: at(given.placeOf('tls'), () => tlsOf(call, filesFrom(base, config.tls))),
    name: checked(given.of('name', 'name', 'PERDURE_NODE'), (value) => nameOf(value, 'the name of the node')),
    weight: checked(given.of('weight', 'weight', 'PERDURE_WEIGHT'), weightOf),
    coordinator: startCoordinator(call, config.coordinator, given.placeOf('coordinator')),
    namespace: checked(given.of('namespace', 'namespace', 'PERDURE_NAMESPACE'), (value) =>
      nameOf(value, 'the namespace'),
    ),
    taskConcurrency: checked(given.of('taskConcurrency', 'concurrency', 'PERDURE_CONCURRENCY'), countOf),
    retentionMs: checked(given.of('retention', 'retention', 'PERDURE_RETENTION'), timeOf),
    proxies: startProxies(call, config),
    drainDelayMs: checked(given.of('drainDelay', 'drain-delay', 'PERDURE_DRAIN_DELAY'), timeOf),
    audit: startAudit(call, config.audit, { base, place: given.placeOf('audit') }),
    access: startAccess(call, { base, config }),
    metrics: call.options.flag('no-metrics') ? false : checked(given.ofFile('metrics'), metricsOf),
    tracing: call.options.flag('tracing') ? true : checked(given.ofFile('tracing'), flagOf),
    http: startHttp(call, config.http, given.placeOf('http')),
    encryption: startEncryption(call, config.encryption, { base, place: given.placeOf('encryption') }),
    webhooks: startWebhooks(call, config.webhooks, given.placeOf('webhooks')),
    insecureListen: call.options.flag('insecure-listen-without-authentication'),
    processes: checked(given.of('processes', 'processes', 'PERDURE_PROCESSES'), countOf) ?? 1,
    files: filesOf(call, given, base),
    queues: checked(given.ofFile('queues'), queuesOf) ?? [],
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function filesOf(
  { options, env, directory }: CommandCall,
  given: GivenSettings,
  base: string,
): readonly string[] {
  const flags = options.texts('workflows')
  if (flags.length > 0) return flags.map((file) => resolve(directory, file))
  const variable = env.PERDURE_WORKFLOWS ?? ''
  if (variable !== '') return variable.split(',').map((file) => resolve(directory, file.trim()))
  return (checked(given.ofFile('workflows'), pathsOf) ?? []).map((file) => resolve(base, file))
}

async function configOf({ options, env, directory }: CommandCall): Promise<ConfigFile> {
  const named = options.text('config') ?? env.PERDURE_CONFIG
  const file =
    named === undefined || named === ''
      ? CONFIG_FILES.find((each) => existsSync(resolve(directory, each)))
      : named
  if (file === undefined) return { config: {}, path: undefined }
  const path = resolve(directory, file)
  if (!existsSync(path)) throw new UsageError(`there is no configuration file ${path}`)
  const { default: config } = (await loaded(path)) as { readonly default?: unknown }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new UsageError(
      `${path} has no default export that is an object`,
      'Such as: export default { store: … }',
    )
  for (const name of Object.keys(config))
    if (!Object.hasOwn(CONFIG_NAMES, name))
      throw new UsageError(
        `${path} has a setting '${name}'; there are ${Object.keys(CONFIG_NAMES).join(', ')}`,
      )
  // The one cast: its names are known, and each value is looked at where it is taken.
  return { config: config as PerdureConfig, path }
}

/** Paths in the configuration are from its directory. */
function filesFrom(base: string, tls: TlsSettings | undefined): TlsSettings | undefined {
  if (typeof tls !== 'object' || tls === null) return tls
  const paths = Object.entries(tls).map(([name, value]) => [
    name,
    typeof value === 'string' && !value.includes('-----BEGIN ') ? resolve(base, value) : value,
  ])
  return Object.fromEntries(paths) as TlsSettings
}

/** The driver of the database takes it from the environment of this process. */
function usePasswordFile(file: string | undefined, directory: string): void {
  if (file === undefined) return
  const path = resolve(directory, file)
  try {
    process.env.PGPASSWORD = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new UsageError(
      `the password file ${path} cannot be read: ${error instanceof Error ? error.message : error}`,
    )
  }
}

/** All that these files export of workflows, tasks, and settings of queues (`queues`). */
export async function definitionsOf(files: readonly string[]): Promise<Definitions> {
  const workflows = new Set<Workflow>()
  const tasks = new Set<Task>()
  const queues: QueueSettings[] = []
  for (const file of files) {
    const exported = await loaded(file)
    const before = workflows.size + tasks.size
    for (const [name, value] of Object.entries(exported)) {
      if (name === 'queues') queues.push(...at(`queues of ${file}`, () => queuesOf(value)))
      for (const each of [value].flat()) {
        if (isKind(each, 'workflow')) workflows.add(each as unknown as Workflow)
        else if (isKind(each, 'task')) tasks.add(each as unknown as Task)
      }
    }
    if (workflows.size + tasks.size === before)
      throw new UsageError(
        `${file} exports no workflow and no task`,
        'Export what workflow() and task() make.',
      )
  }
  return { workflows: [...workflows], tasks: [...tasks], queues }
}

function isKind(value: unknown, kind: string): value is { readonly kind: string } {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind
}

async function loaded(path: string): Promise<Readonly<Record<string, unknown>>> {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}`)
  try {
    return (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
      throw new UsageError(
        `Node ${process.versions.node} does not load TypeScript (${path})`,
        'Use Node 22.18 or newer, or compile the file to JavaScript.',
      )
    const why = `${path} cannot be loaded: ${error instanceof Error ? error.message : error}`
    // It does so each time; what a program does when it is loaded may be another matter.
    if (error instanceof SyntaxError) throw new UsageError(`${why} (${syntaxPlaceOf(path, error)})`)
    throw new Error(why, { cause: error })
  }
}

/** A syntax error of TypeScript knows where it is; one of JavaScript does not: Node says so of a file that it checks. */
function syntaxPlaceOf(path: string, error: SyntaxError): string {
  const [, file, at] = /^(.+):(\d+)\n/.exec(error.stack ?? '') ?? []
  if (at !== undefined) return file === path ? `line ${at}` : `${file}, line ${at}`
  const { stderr } = spawnSync(process.execPath, ['--check', path], {
    encoding: 'utf8',
    timeout: SYNTAX_CHECK_MS,
  })
  const [first = ''] = (stderr ?? '').split('\n')
  const line = /:(\d+)$/.exec(first.trim())?.[1]
  return line === undefined ? 'in this file, or one that it imports' : `line ${line}`
}
