/** `perdure start`: an engine that runs and listens; over PostgreSQL, a node of a cluster. */
import { expiringCertificates, expiryText } from '../../platform/certificate-expiry.ts'
import { jsonLogger, type LogLevel } from '../../platform/logger.ts'
import { TlsIdentity } from '../../platform/tls.ts'
import type { Encryption } from '../../sdk/encryption/encryption.ts'
import { openEncryption } from '../../sdk/encryption/load-encryption.ts'
import type { EngineSettings } from '../../server/engine-settings.ts'
import { present } from '../../server/http/present.ts'
import { isPostgresUrl } from '../../store/postgres/postgres-url.ts'
import type { Command, CommandCall } from '../command.ts'
import { counted } from '../counted.ts'
import { TLS_OPTIONS } from '../tls-options.ts'
import { UsageError } from '../usage-error.ts'
import { reportToGroup } from './group-report.ts'
import { runProcesses } from './process-group.ts'
import { ACCESS_OPTIONS } from './start-access.ts'
import { AUDIT_OPTIONS } from './start-audit.ts'
import { type Definitions, definitionsOf, type StartSettings, startSettings } from './start-config.ts'
import { ENCRYPTION_OPTIONS } from './start-encryption.ts'
import { HTTP_OPTIONS } from './start-http.ts'
import { PROXY_OPTIONS } from './start-proxies.ts'

const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

export const startCommand: Command = {
  name: 'start',
  summary: 'Starts an engine that listens for workers and clients; over PostgreSQL, a node of a cluster.',
  operands: [],
  options: {
    workflows: {
      value: 'FILE',
      says: 'exports workflows and tasks to run',
      multiple: true,
    },
    store: { value: 'STORE', says: 'postgres://…, sqlite:PATH or memory; default $PERDURE_STORE' },
    'read-store': {
      value: 'URL',
      says: 'postgres://… of a standby, for lists and history; default $PERDURE_READ_STORE, or none',
    },
    'password-file': {
      value: 'FILE',
      says: 'holds the password of the database; or PGPASSWORD, or PGPASSFILE',
    },
    listen: { value: 'HOST:PORT', says: 'default 127.0.0.1:7233, or $PERDURE_LISTEN; port 0: a free one' },
    address: { value: 'URL', says: 'at which other nodes reach this one; default: where it listens' },
    ...TLS_OPTIONS,
    ...PROXY_OPTIONS,
    name: { value: 'NAME', says: 'of the node, the same over restarts; default HOST:PID' },
    weight: { value: 'N', says: 'its share of the work, relative to other nodes; default 1' },
    coordinator: {
      value: 'URL',
      says: 'etcd://HOST:PORT,…: where nodes elect who leads; default: in the database',
    },
    processes: {
      value: 'N',
      says: 'as many nodes, on ports that follow one another; for the cores of the machine',
    },
    concurrency: { value: 'N', says: 'tasks that run at once in each process; default 64' },
    namespace: { value: 'NAME', says: 'default `default`' },
    retention: {
      value: 'TIME',
      says: 'executions are deleted so long after their end, such as 30d; default: never',
    },
    ...AUDIT_OPTIONS,
    ...ACCESS_OPTIONS,
    ...HTTP_OPTIONS,
    ...ENCRYPTION_OPTIONS,
    'no-metrics': { says: 'the engine does not observe itself, and /metrics answers 404' },
    tracing: { says: 'spans, by the OpenTelemetry SDK that NODE_OPTIONS="--import FILE" loads' },
    config: {
      value: 'FILE',
      says: 'default perdure.config.ts, .mjs or .js in this directory, if there is one',
    },
    'log-level': {
      value: 'LEVEL',
      says: `${LOG_LEVELS.join(', ')}; default $PERDURE_LOG_LEVEL, or warn`,
    },
    log: { value: 'LEVEL', says: 'the same as --log-level' },
    help: { says: 'this help', short: 'h' },
  },
  examples: [
    {
      line: 'perdure start --workflows orders.ts --store postgres://app@db1/orders',
      says: 'the same on each machine: they share the work',
    },
    { line: 'perdure start --workflows orders.ts --store sqlite:orders.db', says: 'alone, on a file' },
    {
      line: 'perdure start --workflows orders.ts --processes 4 --store postgres://app@db1/orders',
      says: 'four nodes on one machine, on ports 7233 to 7236',
    },
  ],
  run: runStart,
}

async function runStart(call: CommandCall): Promise<number> {
  const settings = await startSettings(call)
  const level = levelOf(call)
  if (settings.processes > 1) return runGroup(call, settings)
  try {
    return await runNode(call, settings, level)
  } catch (error) {
    await reportToGroup({ perdure: 'failed', why: error instanceof Error ? error.message : String(error) })
    throw error
  }
}

async function runNode(call: CommandCall, settings: StartSettings, level: LogLevel): Promise<number> {
  const definitions = await definitionsOf(settings.files)
  if (!isPostgresUrl(settings.store) && settings.coordinator !== undefined)
    throw new UsageError(
      `a coordinator is for the nodes of a cluster, and ${settings.store} has one engine`,
      'Leave it out, or use PostgreSQL.',
    )
  const encryption = settings.encryption === undefined ? undefined : await openEncryption(settings.encryption)
  try {
    return await runEngine(call, settings, { definitions, level, encryption })
  } finally {
    await encryption?.close()
  }
}

interface Parts {
  readonly definitions: Definitions
  readonly level: LogLevel
  readonly encryption: Encryption | undefined
}

async function runEngine(call: CommandCall, settings: StartSettings, parts: Parts): Promise<number> {
  const { definitions } = parts
  const { host, port, tls, proxies, insecureListen } = settings
  const isShared = isPostgresUrl(settings.store)
  // Not before: help works also where `node:sqlite` is missing.
  const { createEngine } = await import('../../server/embedded-engine.ts')
  const failed = Promise.withResolvers<number>()
  const engine = await createEngine({
    ...engineSettingsOf(settings, parts),
    onFailed: () => failed.resolve(1),
    ...(isShared ? { cluster: clusterOf(settings) } : {}),
  })
  let { url } = engine
  if (!isShared) {
    try {
      const options = present({ tls, http: settings.http })
      url = (await engine.listen({ host, port, insecureListen, ...proxies, ...options })).url
    } catch (error) {
      // What it has open would keep the process alive.
      await engine.close()
      throw error
    }
  }
  const code = `${counted(definitions.workflows.length, 'workflow')}, ${counted(definitions.tasks.length, 'task')}`
  const reached =
    !isShared || settings.address === undefined ? '' : `, others reach it at ${settings.address}`
  // Before the line: whoever waits for it may end the process at once.
  const end = Promise.race([failed.promise, signalled(call)])
  call.output.line(`perdure listens on ${url}${reached} (${code})`)
  if (tls !== undefined)
    for (const each of expiringCertificates(new TlsIdentity(tls, 'tls', () => {}).current, call.nowMs))
      call.output.line(`perdure: ${expiryText(each)}`)
  await reportToGroup({ perdure: 'ready' })
  const ended = await end
  await engine.close()
  return ended
}

function engineSettingsOf(
  settings: StartSettings,
  { definitions, level, encryption }: Parts,
): EngineSettings {
  const { workflows, tasks, queues } = definitions
  const { store, readStore, postgres, taskConcurrency, namespace, audit, access, metrics, webhooks } =
    settings
  return {
    store,
    // Without code of its own it waits for workers that have it.
    ...(settings.files.length === 0 ? {} : { workflows, tasks }),
    queues: [...settings.queues, ...queues],
    logger: jsonLogger(level),
    ...present({
      readStore,
      postgres,
      taskConcurrency,
      namespace,
      retention: settings.retentionMs,
      drainDelay: settings.drainDelayMs,
      audit,
      access,
      metrics,
      tracing: settings.tracing,
      webhooks,
      encryption,
    }),
  }
}

function clusterOf({
  host,
  port,
  address,
  tls,
  name,
  weight,
  coordinator,
  proxies,
  insecureListen,
  http,
}: StartSettings): NonNullable<EngineSettings['cluster']> {
  return {
    host,
    port,
    insecureListen,
    ...proxies,
    ...present({ address, tls, name, weight, coordinator, http }),
  }
}

function levelOf({ options, env }: CommandCall): LogLevel {
  const flags = ['log-level', 'log'].flatMap((flag) => {
    const value = options.text(flag)
    return value === undefined ? [] : [{ from: `--${flag}`, value }]
  })
  const [flag, other] = flags
  if (flag !== undefined && other !== undefined && flag.value !== other.value)
    throw new UsageError(
      `--log-level is ${flag.value}, and --log ${other.value}`,
      'They are the same: give one.',
    )
  const variable = { from: 'PERDURE_LOG_LEVEL', value: env.PERDURE_LOG_LEVEL ?? '' }
  const { from, value } = flag ?? (variable.value === '' ? { from: '', value: 'warn' } : variable)
  const level = LOG_LEVELS.find((each) => each === value)
  if (level === undefined) throw new UsageError(`${from} is ${value}, none of ${LOG_LEVELS.join(', ')}`)
  return level
}

/** The first signal ends it in order, the second one at once. */
function signalled({ output }: CommandCall): Promise<number> {
  return new Promise((resolve) => {
    let isAsked = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => {
        if (isAsked) process.exit(130)
        isAsked = true
        output.note('perdure hands over what it has, and ends; once more to end at once')
        resolve(0)
      })
  })
}

function runGroup({ output }: CommandCall, settings: StartSettings): Promise<number> {
  const { processes, port, host, name } = settings
  if (!isPostgresUrl(settings.store))
    throw new UsageError(
      `${processes} processes cannot share ${settings.store}`,
      'Use PostgreSQL, or one process: a file has one engine.',
    )
  if (settings.address !== undefined)
    throw new UsageError('--address is that of one node', 'Leave it out, or start the nodes one by one.')
  const [script = ''] = process.argv.slice(1)
  const given = process.argv.slice(2)
  return runProcesses({
    count: processes,
    // The last one given counts.
    argsOf: (index) => [
      ...[script, ...given, '--processes', '1'],
      ...['--listen', `${host.includes(':') ? `[${host}]` : host}:${port === 0 ? 0 : port + index}`],
      ...(name === undefined ? [] : ['--name', `${name}-${index + 1}`]),
    ],
    say: (text) => output.note(text),
  })
}
