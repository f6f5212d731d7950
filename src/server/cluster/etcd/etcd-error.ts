/** What goes wrong with etcd, by what is to be done about it. */
import type { Json } from '../../../protocol/json.ts'

export type EtcdErrorKind =
  /** Another member may answer, or this one later. */
  | 'unavailable'
  /** The lease has ended. */
  | 'not-found'
  /** Authenticate again. */
  | 'token-invalid'
  /** It would be refused each time: user, password, permissions, settings. */
  | 'refused'

/** Codes of gRPC, which the gateway passes on. */
const KINDS: ReadonlyMap<number, EtcdErrorKind> = new Map([
  [4, 'unavailable'],
  [5, 'not-found'],
  [13, 'unavailable'],
  [14, 'unavailable'],
  [16, 'token-invalid'],
])

export class EtcdError extends Error {
  readonly kind: EtcdErrorKind

  constructor(kind: EtcdErrorKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EtcdError'
    this.kind = kind
  }

  static unreadable(endpoint: string, detail = 'its answer has not what it should'): EtcdError {
    return new EtcdError('unavailable', `${endpoint}: this does not speak the JSON of etcd (${detail})`)
  }

  static ofConnection(endpoint: string, cause: Error): EtcdError {
    const isLate = cause.name === 'AbortError' || cause.name === 'TimeoutError'
    return new EtcdError('unavailable', `${endpoint}: ${isLate ? 'no answer in time' : cause.message}`, {
      cause,
    })
  }

  static ofAnswer(endpoint: string, status: number, answer: Json): EtcdError {
    const { message, error, code } = answer as { message?: unknown; error?: unknown; code?: unknown }
    // A stream that fails has its error in an object.
    const inner = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
    const said = String(message ?? inner.message ?? error ?? `status ${status}`)
    const number = Number(code ?? inner.grpc_code ?? inner.code)
    const kind = KINDS.get(number) ?? (Number.isNaN(number) && status >= 500 ? 'unavailable' : 'refused')
    return new EtcdError(kind, `${endpoint}: ${said}`)
  }
}
