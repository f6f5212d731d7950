/** Access with everything but an engine: what reaches its port is written down. */
import { type Logger, silentLogger } from '../../src/platform/logger.ts'
import type { MetricsRegistry } from '../../src/platform/metrics.ts'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import { CLIENT_METHODS } from '../../src/protocol/client-messages.ts'
import type { ClientPort } from '../../src/protocol/client-port.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { AccessAdmin } from '../../src/server/access/access-admin.ts'
import { type AccessSettings, checkedAccessSettings } from '../../src/server/access/access-settings.ts'
import { ClosedAccess } from '../../src/server/access/closed-access.ts'
import type { Refusal } from '../../src/server/access/guard.ts'
import { MemoryRegistry } from './memory-registry.ts'

export type Answers = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>

/** Each method is a line of `calls`, and answers what it is told to, or nothing. */
export function recordingPort(answers: Answers = {}): {
  readonly port: ClientPort
  readonly calls: string[]
} {
  const calls: string[] = []
  const groups: Record<string, Record<string, unknown>> = {}
  const methods: Record<string, unknown> = { newRequestId: () => 'request' }
  for (const method of Object.keys(CLIENT_METHODS)) {
    const [first = '', second] = method.split('.')
    const call = async (...args: readonly unknown[]): Promise<unknown> => {
      calls.push(method)
      return answers[method]?.(...args)
    }
    if (second === undefined) methods[first] = call
    else groups[first] = { ...groups[first], [second]: call }
  }
  return { port: { ...methods, ...groups } as unknown as ClientPort, calls }
}

export interface OpenedAccess extends AsyncDisposable {
  readonly access: ClosedAccess
  readonly admin: AccessAdmin
  readonly registry: MemoryRegistry
  readonly clock: VirtualClock
  readonly calls: string[]
  readonly refusals: Refusal[]
  /** Time goes by, and timers run. */
  pass(ms: number): void
  bind(principal: string, role: string, namespace?: string): Promise<void>
  createNamespace(name: string): Promise<void>
}

export const START_MS = 1_780_000_000_000

export async function openAccess(
  settings: AccessSettings = {},
  answers: Answers = {},
  registry = new MemoryRegistry(),
  logger: Logger = silentLogger,
  metrics?: MetricsRegistry,
): Promise<OpenedAccess> {
  const clock = new VirtualClock(START_MS)
  const { port, calls } = recordingPort(answers)
  const refusals: Refusal[] = []
  const access = await ClosedAccess.open({
    settings: checkedAccessSettings(settings),
    registry,
    port,
    logger,
    clock,
    onRefused: (refusal) => refusals.push(refusal),
    metrics,
  })
  return {
    access,
    admin: new AccessAdmin({ access, registry, nowMs: () => clock.nowMs() }),
    registry,
    clock,
    calls,
    refusals,
    pass: (ms) => {
      const untilMs = clock.nowMs() + ms
      while ((clock.nextMs() ?? Number.POSITIVE_INFINITY) <= untilMs) clock.runNext()
      clock.advance(untilMs - clock.nowMs())
    },
    bind: async (principal, role, namespace = '') => {
      await registry.put({ kind: 'role-binding', namespace, id: `${role} ${principal}` }, {})
    },
    createNamespace: async (name) => {
      await registry.put({ kind: 'namespace', namespace: '', id: name }, { quotas: {} })
    },
    [Symbol.asyncDispose]: async () => access.close(),
  }
}

/** `done`, or the code of the error. */
export async function codeOf(result: Promise<unknown>): Promise<string> {
  try {
    await result
    return 'done'
  } catch (error) {
    if (error instanceof PerdureError) return error.code
    throw error
  }
}

/** Somebody with a token. */
export function person(user: string, groups: readonly string[] = [], roles: readonly string[] = []): Caller {
  return { id: `token:https://issuer.test#${user}`, kind: 'token', user, groups, roles, address: '192.0.2.7' }
}
