/// <reference lib="esnext.disposable" preserve="true" />
/** `connect`: the engine's interface from another process. */
import { watchExpiry } from '../../platform/certificate-expiry.ts'
import { systemClock } from '../../platform/clock.ts'
import { jsonLogger, type Logger, safeLogger } from '../../platform/logger.ts'
import { openTracing } from '../../platform/open-tracing.ts'
import { checkedToken } from '../../platform/shown-token.ts'
import { TlsIdentity, type TlsSettings } from '../../platform/tls.ts'
import type { TokenSetting } from '../../platform/token-setting.ts'
import type { Tracing } from '../../platform/tracing.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { checkedOptions, type OptionNames } from '../checked-arguments.ts'
import { checkedUrls } from '../checked-urls.ts'
import { Client, type ClientSettings } from '../client.ts'
import { checkedEncryption, type Encryption } from '../encryption/encryption.ts'
import type { PayloadCodec } from '../encryption/payload-codec.ts'
import { tracedPort } from '../tracing/traced-port.ts'
import type { RemotePort } from './remote-port.ts'

export interface ConnectOptions {
  /** Default `'default'`. */
  readonly namespace?: string
  /** Default: JSON lines on standard error, warnings and errors. */
  readonly logger?: Logger
  /** For `wss:` URLs: the certificate of this client, its key, and the authority of the engine. */
  readonly tls?: TlsSettings
  /**
   * An API key or a token (JWT), for engines with `access`; a function is asked for each connection. Only for `wss:` URLs, and
   * for those of this machine.
   */
  readonly token?: TokenSetting
  /** Of payloads: what `openEncryption` gave. Default: they are not encrypted. */
  readonly encryption?: Encryption
  /** Its calls have spans, and carry their trace to the engine, as of `createEngine`. Default: false. */
  readonly tracing?: boolean
}

const OPTIONS: OptionNames<ConnectOptions> = {
  namespace: true,
  logger: true,
  tls: true,
  token: true,
  encryption: true,
  tracing: true,
}

/**
 * A client of an engine that listens (`engine.listen()`), with the interface of the embedded one: `start`, `signal`,
 * `enqueue`, `list`, handles. Resolves when it is connected; until then it tries again, with a warning in the log.
 *
 * Of a cluster any node will do: when it is lost, the client goes on with another one.
 *
 * @param url such as `ws://127.0.0.1:7233`, `wss://…`, or `http://` and `https://`, which stand for them; of a cluster also several of its nodes, so that one of them may be down
 */
export async function connect(
  url: string | readonly string[],
  options: ConnectOptions = {},
): Promise<RemoteClient> {
  const checked = checkedOptions(options, 'connect()', OPTIONS)
  const { namespace = DEFAULT_NAMESPACE, logger, tls, token } = checked
  const urls = checkedUrls(url, 'connect()', tls !== undefined)
  const codec = checkedEncryption(checked.encryption, 'connect()')?.codec
  const log = logger === undefined ? jsonLogger() : safeLogger(logger)
  const { warn } = log
  const tracing = await openTracing(checked.tracing, 'connect()', { logger: log, codec })
  const settings: ClientSettings = {
    namespace: checkedName(namespace, 'the namespace'),
    limits: codec === undefined ? DEFAULT_LIMITS : codec.roomIn(DEFAULT_LIMITS),
    warn,
    // The engine knows, and says so.
    knows: () => true,
  }
  const identity = tls === undefined ? undefined : new TlsIdentity(tls, 'connect({ tls })', warn)
  // With all that connects: a program that runs an engine alone does not need it.
  const { RemotePort } = await import('./remote-port.ts')
  const remote = new RemotePort({
    url: urls,
    warn,
    tls: identity,
    token: checkedToken(token, urls, 'connect({ token })'),
  })
  await remote.connected()
  const unwatch =
    identity === undefined
      ? undefined
      : watchExpiry({ current: () => identity.current, clock: systemClock, warn })
  return new RemoteClient(remote, await portOf(remote, codec, tracing), { settings, onClose: unwatch })
}

/** What encrypts is loaded only where it is used. */
async function portOf(
  { port }: RemotePort,
  codec: PayloadCodec | undefined,
  tracing: Tracing | undefined,
): Promise<ClientPort> {
  if (codec === undefined) return tracedPort(port, tracing)
  const { encryptedPort } = await import('../encryption/encrypted-port.ts')
  return tracedPort(encryptedPort(port, codec), tracing)
}

/** The client of an engine in another process. */
export class RemoteClient extends Client implements AsyncDisposable {
  readonly #remote: RemotePort
  readonly #onClose: () => void

  /** @internal */
  constructor(
    remote: RemotePort,
    port: ClientPort,
    {
      settings,
      onClose = () => {},
    }: { readonly settings: ClientSettings; readonly onClose?: (() => void) | undefined },
  ) {
    super(port, settings)
    this.#remote = remote
    this.#onClose = onClose
  }

  /** Disconnects. Calls that are not answered yet get `CONNECTION_LOST`. */
  async close(): Promise<void> {
    this.#onClose()
    this.#remote.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
