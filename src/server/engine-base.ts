/** Settings of an engine, checked, as its parts need them. */
import { hostname } from 'node:os'
import { type Clock, systemClock } from '../platform/clock.ts'
import { jsonLogger, type Logger, safeLogger, withFields } from '../platform/logger.ts'
import { type Randomness, systemRandomness } from '../platform/randomness.ts'
import type { Tracing } from '../platform/tracing.ts'
import { checkedName } from '../protocol/checked-text.ts'
import { durationMs, optionalMs } from '../protocol/duration.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../protocol/ids.ts'
import type { Limits } from '../protocol/limits.ts'
import { checkedEncryption } from '../sdk/encryption/encryption.ts'
import type { PayloadCodec } from '../sdk/encryption/payload-codec.ts'
import { type CheckedAccessSettings, checkedAccessSettings } from './access/access-settings.ts'
import { type OpenAudit, openAudit } from './audit/open-audit.ts'
import { type CheckedClusterSettings, checkedClusterSettings } from './cluster/cluster-settings.ts'
import { checkedLimits, type EngineSeams, type EngineSettings } from './engine-settings.ts'
import { type CheckedMetricsSettings, checkedMetricsSettings } from './metrics/engine-observation.ts'

/** What all parts need, and how long what may take: checked. */
export interface EngineBase {
  readonly codec: PayloadCodec | undefined
  /** The limits for what is encrypted. */
  readonly room: Limits
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: Limits
  readonly random: Randomness
  readonly namespace: string
  readonly clustering: CheckedClusterSettings | undefined
  readonly audit: OpenAudit | undefined
  /** Undefined: whoever reaches a door may do everything. */
  readonly accessing: CheckedAccessSettings | undefined
  readonly graceMs: number
  readonly retentionMs: number | undefined
  readonly drainDelayMs: number | undefined
  readonly observed: CheckedMetricsSettings | undefined
  readonly tracing: Tracing | undefined
}

/** @throws PerdureError for settings that make no sense */
export function checkedBase(settings: EngineSettings, seams: EngineSeams): Omit<EngineBase, 'tracing'> {
  const clustering = settings.cluster === undefined ? undefined : checkedClusterSettings(settings.cluster)
  const logger = loggerOf(settings, clustering)
  const limits = checkedLimits(settings.limits)
  const codec = checkedEncryption(settings.encryption, 'createEngine()')?.codec
  return {
    clock: seams.clock ?? systemClock,
    logger,
    limits,
    codec,
    room: codec === undefined ? limits : codec.roomIn(limits),
    random: seams.random ?? systemRandomness,
    namespace: checkedName(settings.namespace ?? DEFAULT_NAMESPACE, 'the namespace'),
    clustering,
    graceMs: durationMs(settings.shutdownGrace ?? '10s', 'shutdownGrace'),
    retentionMs: optionalMs(settings.retention, 'retention'),
    drainDelayMs: optionalMs(settings.drainDelay, 'drainDelay'),
    audit: openAudit(settings.audit, logger),
    accessing: accessOf(settings),
    observed: checkedMetricsSettings(settings.metrics),
  }
}

/** The logs of the nodes of a cluster are mostly read together. */
function loggerOf({ logger }: EngineSettings, clustering: CheckedClusterSettings | undefined): Logger {
  const own = logger === undefined ? jsonLogger() : safeLogger(logger)
  return clustering === undefined ? own : withFields(own, { node: clustering.name ?? nameOfProcess() })
}

/** Nodes are told from others by their certificates. @throws PerdureError `ARGUMENT_INVALID` */
function accessOf({ access, cluster }: EngineSettings): CheckedAccessSettings | undefined {
  if (access === undefined) return undefined
  if (cluster !== undefined && cluster.tls === undefined)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      'access in a cluster needs cluster.tls: without it whoever reaches the port could say that it is a node',
    )
  return checkedAccessSettings(access)
}

/** For people. */
export function nameOfProcess(): string {
  return `${hostname()}:${process.pid}`
}
