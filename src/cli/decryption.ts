/** `--decrypt`: shows encrypted payloads, to whoever has the private key. */
import { isUnreadable } from '../protocol/encrypted-payload.ts'
import type { SequencedEvent } from '../protocol/event.ts'
import type { WorkflowKey } from '../protocol/ids.ts'
import { mapEvent } from '../protocol/payload-places.ts'
import type { Encryption } from '../sdk/encryption/encryption.ts'
import { ExecutionPlaces } from '../sdk/encryption/execution-places.ts'
import { openEncryption } from '../sdk/encryption/load-encryption.ts'
import type { CommandCall, OptionSpec } from './command.ts'
import { UsageError } from './usage-error.ts'

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
export async function decryptionOf({ options, env }: CommandCall): Promise<Decryption | undefined> {
  const privateKeys = options.texts('decrypt')
  const dataKeys = options.text('data-keys')
  if (privateKeys.length === 0) {
    if (dataKeys === undefined) return undefined
    throw new UsageError(
      '--data-keys is given without --decrypt',
      'Name the private key: --decrypt keys/2026.pem',
    )
  }
  const store = dataKeys ?? env.PERDURE_DATA_KEYS
  return new Decryption(
    await openEncryption({
      keys: { privateKeys },
      plaintext: 'accept',
      ...(store === undefined ? {} : { dataKeys: store }),
    }),
  )
}

export class Decryption {
  readonly #encryption: Encryption

  constructor(encryption: Encryption) {
    this.#encryption = encryption
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

  async close(): Promise<void> {
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
      if (isUnreadable(error)) return { seq, event }
      throw error
    }
  }
}
