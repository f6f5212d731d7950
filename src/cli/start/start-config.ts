/** Settings of `perdure start`: a flag over the environment over the configuration file. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TlsSettings } from '../../platform/tls.ts'
import { type Duration, optionalMs } from '../../protocol/duration.ts'
import type { Workflow } from '../../sdk/definition.ts'
import type { Task } from '../../sdk/tasks/task.ts'
import type { CoordinatorSettings } from '../../server/cluster/etcd/etcd-settings.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { QueueSettings } from '../../server/queue-settings.ts'
import type { CommandCall } from '../command.ts'
import { tlsOf } from '../tls-options.ts'
import { UsageError } from '../usage-error.ts'
import { startCoordinator } from './start-coordinator.ts'

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
  processes: true,
}
const DEFAULT_LISTEN = '127.0.0.1:7233'
const LISTEN_PARTS = /^(?:(\[[0-9a-f:]+\]|[^:[\]]+):)?(\d{1,5})$/i

export async function startSettings(call: CommandCall): Promise<StartSettings> {
  const { options, env, directory } = call
  const { config, base } = await configOf(call)
  const given = (flag: string, variable: string): string | undefined =>
    options.text(flag) ?? (env[variable] === '' ? undefined : env[variable])
  const store = given('store', 'PERDURE_STORE') ?? config.store
  if (store === undefined)
    throw new UsageError(
      'no store was named',
      'Name it with --store postgres://USER@HOST:PORT/DATABASE or --store sqlite:PATH, in PERDURE_STORE, or in perdure.config.ts.',
    )
  if (['store', 'read-store'].some((flag) => /:[^@/]+@/.test(options.text(flag) ?? '')))
    throw new UsageError(
      'a password on the command line is seen by everybody on the machine',
      'Put it into PGPASSWORD, into a file named by --password-file or PGPASSFILE, or the whole URL into PERDURE_STORE (PERDURE_READ_STORE).',
    )
  usePasswordFile(given('password-file', 'PERDURE_PASSWORD_FILE'), directory)
  const { host, port } = listenOf(given('listen', 'PERDURE_LISTEN') ?? config.listen ?? DEFAULT_LISTEN)
  const weight = given('weight', 'PERDURE_WEIGHT') ?? config.weight
  return {
    store,
    readStore: given('read-store', 'PERDURE_READ_STORE') ?? config.readStore,
    postgres: config.postgres,
    host,
    port,
    address: given('address', 'PERDURE_ADDRESS') ?? config.address,
    tls: tlsOf(call, filesFrom(base, config.tls)),
    name: given('name', 'PERDURE_NODE') ?? config.name,
    weight: weight === undefined ? undefined : Number(weight),
    coordinator: startCoordinator(call, config.coordinator),
    namespace: given('namespace', 'PERDURE_NAMESPACE') ?? config.namespace,
    taskConcurrency: countOf(
      given('concurrency', 'PERDURE_CONCURRENCY') ?? config.taskConcurrency,
      'concurrency',
    ),
    retentionMs: optionalMs(
      (given('retention', 'PERDURE_RETENTION') ?? config.retention) as Duration | undefined,
    ),
    processes: countOf(given('processes', 'PERDURE_PROCESSES') ?? config.processes, 'processes') ?? 1,
    files: filesOf(call, config, base),
    queues: config.queues ?? [],
  }
}

function filesOf(
  { options, env, directory }: CommandCall,
  config: PerdureConfig,
  base: string,
): readonly string[] {
  const flags = options.texts('workflows')
  if (flags.length > 0) return flags.map((file) => resolve(directory, file))
  const variable = env.PERDURE_WORKFLOWS ?? ''
  if (variable !== '') return variable.split(',').map((file) => resolve(directory, file.trim()))
  return [config.workflows ?? []].flat().map((file) => resolve(base, file))
}

async function configOf({
  options,
  env,
  directory,
}: CommandCall): Promise<{ readonly config: PerdureConfig; readonly base: string }> {
  const named = options.text('config') ?? env.PERDURE_CONFIG
  const file =
    named === undefined || named === ''
      ? CONFIG_FILES.find((each) => existsSync(resolve(directory, each)))
      : named
  if (file === undefined) return { config: {}, base: directory }
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
  // The one cast: its names are known, and each value is checked where it is used.
  return { config: config as PerdureConfig, base: resolve(path, '..') }
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

function listenOf(text: string): { readonly host: string; readonly port: number } {
  const parts = LISTEN_PARTS.exec(String(text))
  const port = Number(parts?.[2])
  if (parts === null || port > 65_535)
    throw new UsageError(`'${text}' is no address to listen on`, 'Such as 127.0.0.1:7233, or 7233.')
  return { host: (parts[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port }
}

function countOf(value: string | number | undefined, name: string): number | undefined {
  if (value === undefined) return undefined
  const count = /^\d+$/.test(String(value)) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UsageError(`${name} is ${value}, not a whole number of 1 or more`)
  return count
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
      if (name === 'queues' && Array.isArray(value)) queues.push(...(value as QueueSettings[]))
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
    throw error
  }
}
