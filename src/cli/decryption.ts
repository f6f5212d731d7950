/** `--decrypt`: shows encrypted payloads, to whoever has the private key. */
import { isUnreadable } from '../protocol/encrypted-payload.ts'
import type { PerdureError } from '../protocol/errors.ts'
import type { SequencedEvent } from '../protocol/event.ts'
import { failureOf } from '../protocol/failure.ts'
import type { WorkflowKey } from '../protocol/ids.ts'
import { mapEvent } from '../protocol/payload-places.ts'
import type { Encryption } from '../sdk/encryption/encryption.ts'
import { ExecutionPlaces } from '../sdk/encryption/execution-places.ts'
import { openEncryption } from '../sdk/encryption/load-encryption.ts'
import type { CommandCall, OptionSpec } from './command.ts'
import { printable } from './display-width.ts'
import type { Output } from './output.ts'
import { UsageError } from './usage-error.ts'

/** Data keys differ from day to day, or from execution to execution. */
const REASONS_MOST = 20

export const DECRYPT_OPTIONS = {
  decrypt: {
    value: 'FILE',
    multiple: true,
    says: 'private key (PEM) that reads encrypted payloads; several for payloads of several keys',
  },
  'data-keys': {
    value: 'STORE',
    says: 'with --decrypt, if data keys are in a store: sqlite:PATH or postgres://…; default $PERDURE_DATA_KEYS',
  },
} as const satisfies Record<string, OptionSpec>

/** What `--decrypt` gives; undefined: it is not given. */
export async function decryptionOf({ options, env, output }: CommandCall): Promise<Decryption | undefined> {
  const privateKeys = options.texts('decrypt')
  const dataKeys = options.text('data-keys')
  if (privateKeys.length === 0) {
    if (dataKeys === undefined) return undefined
    throw new UsageError(
      '--data-keys is given without --decrypt',
      'Name the private key: --decrypt keys/2026.pem',
    )
  }
  const variable = env.PERDURE_DATA_KEYS === '' ? undefined : env.PERDURE_DATA_KEYS
  const store = dataKeys ?? variable
  return new Decryption(
    await openEncryption({
      keys: { privateKeys },
      plaintext: 'accept',
      ...(store === undefined ? {} : { dataKeys: store }),
    }),
    output,
  )
}

export class Decryption {
  readonly #encryption: Encryption
  readonly #output: Pick<Output, 'note'>
  /** Why payloads stay encrypted, each once. */
  readonly #reasons = new Set<string>()
  #hasMore = false

  constructor(encryption: Encryption, output: Pick<Output, 'note'>) {
    this.#encryption = encryption
    this.#output = output
  }

  /** Reads the events of one execution, page by page, from the first one on. */
  reader(key: WorkflowKey): (page: readonly SequencedEvent[]) => Promise<SequencedEvent[]> {
    const places = new ExecutionPlaces(key)
    return async (page) => {
      for (const { event } of page) places.see(event)
      const read: SequencedEvent[] = []
      for (const each of page) read.push(await this.#read(each, places))
      return read
    }
  }

  /** Says on standard error what was not read, and why: after what is shown, not in the midst of it. */
  async close(): Promise<void> {
    for (const reason of this.#reasons) this.#output.note(printable(`not decrypted: ${reason}`))
    if (this.#hasMore) this.#output.note('not decrypted: more, for other reasons')
    await this.#encryption.close()
  }

  /** What cannot be read is shown as what is encrypted. */
  async #read({ seq, event }: SequencedEvent, places: ExecutionPlaces): Promise<SequencedEvent> {
    const { codec } = this.#encryption
    try {
      return await codec.code(places.key.namespace, (coder) => ({
        seq,
        event: mapEvent(event, places.reading(coder)),
      }))
    } catch (error) {
      if (!isUnreadable(error)) throw error
      this.#remember(error)
      return { seq, event }
    }
  }

  #remember(error: PerdureError): void {
    const reason = failureOf(error).message.replace('(encryption.dataKeys)', '(--data-keys)')
    if (this.#reasons.size < REASONS_MOST) this.#reasons.add(reason)
    else this.#hasMore ||= !this.#reasons.has(reason)
  }
}
