/** The typed client of queues, over the untyped `QueuePort`. */
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Limits } from '../../protocol/limits.ts'
import type {
  QueueChangeOptions,
  QueueChangeReply,
  QueueDescription,
  QueuePort,
  QueueTarget,
  QueueDetails as StoredDetails,
} from '../../protocol/queue-port.ts'
import type {
  BalancerName,
  BalancerSetting,
  PolicyName,
  PolicySetting,
  QueueOverrides,
  QueueSettingName,
} from '../../protocol/queue-settings.ts'
import { checkedOptions, checkedReason, type OptionNames } from '../checked-arguments.ts'
import { repeated } from '../repeated.ts'

export interface QueueClientSettings {
  readonly limits: Limits
  readonly namespace: string
}

/** What is not given stays as it is. Of a limit `null` means: none, whatever code says. */
export interface QueueChanges extends Omit<QueueOverrides, 'policy' | 'balancer'> {
  readonly policy?: PolicyName | PolicySetting
  readonly balancer?: BalancerName | BalancerSetting
}

export interface QueueDetails extends Omit<StoredDetails, 'changedMs' | 'pause'> {
  /** When it was changed last at run time. */
  readonly changedAt: Date | undefined
  /** If it was paused at run time. */
  readonly pause: { readonly reason: string; readonly at: Date } | undefined
}

const CHANGE_OPTIONS: OptionNames<QueueChangeOptions> = { ifRevision: true }

/**
 * Queues of one namespace, addressed by their names. Each name is a queue: it need not be declared.
 *
 * Changes resolve when they are durable, and are in force from then on at the latest. With `ifRevision` they are made only
 * if nobody has changed the settings since (`REVISION_CONFLICT`).
 */
export class QueueClient {
  readonly #port: QueuePort
  readonly #settings: QueueClientSettings

  constructor(port: QueuePort, settings: QueueClientSettings) {
    this.#port = port
    this.#settings = settings
  }

  /** Those that code names, that were changed at run time, and that are in use, in the order of their names. */
  async list(): Promise<readonly QueueDescription[]> {
    return repeated(() => this.#port.list(this.#settings.namespace))
  }

  /** Its settings, each with where it comes from, and what waits and runs. A queue that nobody has used has the defaults. */
  async get(name: string): Promise<QueueDetails> {
    const target = this.#target(name)
    const { changedMs, pause, ...details } = await repeated(() => this.#port.get(target))
    return {
      ...details,
      changedAt: changedMs === undefined ? undefined : new Date(changedMs),
      pause: pause === undefined ? undefined : { reason: pause.reason, at: new Date(pause.atMs) },
    }
  }

  /**
   * Changes what is given, over what code says and until it is reset. What waits is moved to where another policy puts it;
   * what runs goes on. Errors: `ARGUMENT_INVALID`, `REVISION_CONFLICT`.
   */
  async set(name: string, changes: QueueChanges, options?: QueueChangeOptions): Promise<QueueChangeReply> {
    const target = this.#target(name)
    const how = revisionOf(options, 'queues.set()')
    if (typeof changes !== 'object' || changes === null)
      throw new PerdureError('ARGUMENT_INVALID', 'queues.set() has no settings')
    const { policy, balancer, ...rest } = changes
    const overrides = {
      ...rest,
      ...(policy === undefined ? {} : { policy: typeof policy === 'string' ? { name: policy } : policy }),
      ...(balancer === undefined
        ? {}
        : { balancer: typeof balancer === 'string' ? { name: balancer } : balancer }),
    } as QueueOverrides
    return repeated(() => this.#port.set(target, overrides, how))
  }

  /** Nothing of it starts from now on; what runs goes on. */
  async pause(
    name: string,
    reason = 'paused by a client',
    options?: QueueChangeOptions,
  ): Promise<QueueChangeReply> {
    const target = this.#target(name)
    const checked = checkedReason(reason)
    const how = revisionOf(options, 'queues.pause()')
    return repeated(() => this.#port.pause(target, checked, how))
  }

  /** Goes on, also if code says that it is paused. */
  async resume(name: string, options?: QueueChangeOptions): Promise<QueueChangeReply> {
    const target = this.#target(name)
    const how = revisionOf(options, 'queues.resume()')
    return repeated(() => this.#port.resume(target, how))
  }

  /** What code says counts again, for these settings; default: for all. */
  async reset(
    name: string,
    settings?: readonly QueueSettingName[],
    options?: QueueChangeOptions,
  ): Promise<QueueChangeReply> {
    const target = this.#target(name)
    const how = revisionOf(options, 'queues.reset()')
    return repeated(() => this.#port.reset(target, settings, how))
  }

  #target(name: string): QueueTarget {
    const { namespace, limits } = this.#settings
    return { namespace, queue: checkedName(name, 'the name of a queue', limits.idBytes) }
  }
}

function revisionOf(options: QueueChangeOptions | undefined, call: string): QueueChangeOptions {
  const { ifRevision } = checkedOptions(options, call, CHANGE_OPTIONS)
  if (ifRevision === undefined) return {}
  if (!Number.isSafeInteger(ifRevision) || ifRevision < 0)
    throw new PerdureError('ARGUMENT_INVALID', `${call}: ifRevision is ${ifRevision}, not a whole number`)
  return { ifRevision }
}
