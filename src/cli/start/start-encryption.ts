/** What `perdure start` is told of keys: payloads of the code that it runs are encrypted if one is named. */
import { resolve } from 'node:path'
import { type KeyFileSettings, KeyFiles } from '../../platform/encryption/key-files.ts'
import type { EncryptionSettings } from '../../sdk/encryption/encryption.ts'
import { present } from '../../server/http/present.ts'
import type { CommandCall, OptionSpec } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { switchOf } from './checked-values.ts'
import { at } from './given-settings.ts'

export const ENCRYPTION_OPTIONS = {
  'encryption-public-key': {
    value: 'FILE',
    says: 'RSA key, PEM, that wraps data keys: payloads of the code that runs here are encrypted; default: that of the first private key',
  },
  'encryption-private-key': {
    value: 'FILE',
    says: 'RSA key, PEM, that reads payloads; several with those of before',
    multiple: true,
  },
  'data-keys': {
    value: 'STORE',
    says: 'where data keys are kept, so that they can be shredded: sqlite:PATH or postgres://…; default $PERDURE_DATA_KEYS',
  },
  'accept-plaintext': { says: 'also payloads that are not encrypted, while programs begin to encrypt' },
} as const satisfies Record<string, OptionSpec>

/**
 * A flag over the environment over the configuration, whose paths are from its directory, `base`.
 *
 * @returns undefined: no key is named
 */
export function startEncryption(
  { options, env, directory }: Pick<CommandCall, 'options' | 'env' | 'directory'>,
  config: EncryptionSettings | undefined,
  { base, place }: { readonly base: string; readonly place: string },
): EncryptionSettings | undefined {
  const variable = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])
  const pathOf = (path: string): string => resolve(directory, path)
  const publicKey = options.text('encryption-public-key') ?? variable('PERDURE_ENCRYPTION_PUBLIC_KEY')
  const flags = options.texts('encryption-private-key')
  const privateKeys = flags.length > 0 ? flags : variable('PERDURE_ENCRYPTION_PRIVATE_KEYS')?.split(',')
  const isKeyGiven = publicKey !== undefined || privateKeys !== undefined
  const accepts = options.flag('accept-plaintext') || switchOf(env, 'PERDURE_ACCEPT_PLAINTEXT') === true
  if (!isKeyGiven && config === undefined) {
    // The variable is for other commands too: alone it means nothing here.
    const alone = ['data-keys', 'accept-plaintext'].find((name) => options.names().includes(name))
    if (alone === undefined) return undefined
    throw new UsageError(
      `--${alone} is given, and no key`,
      'Name it with --encryption-private-key FILE, or --encryption-public-key FILE.',
    )
  }
  const inFile = config === undefined ? undefined : at(place, () => ofFile(config, base))
  const keys = isKeyGiven
    ? present({ publicKey: publicKey && pathOf(publicKey), privateKeys: privateKeys?.map(pathOf) })
    : inFile?.keys
  const settings = {
    ...inFile,
    keys: keys ?? {},
    ...present({ dataKeys: options.text('data-keys') ?? variable('PERDURE_DATA_KEYS') ?? inFile?.dataKeys }),
    ...(accepts ? { plaintext: 'accept' as const } : {}),
  }
  // Here, and not only when the engine starts: what is wrong would be wrong each time that it is started again.
  at(isKeyGiven ? '--encryption-public-key, --encryption-private-key' : place, () => {
    if (isKeyFiles(settings.keys)) new KeyFiles(settings.keys)
  })
  return settings
}

function ofFile(config: EncryptionSettings, base: string): EncryptionSettings {
  if (
    typeof config !== 'object' ||
    config === null ||
    typeof config.keys !== 'object' ||
    config.keys === null
  )
    throw new UsageError('it has no keys', "Such as encryption: { keys: { privateKeys: ['keys/2026.pem'] } }")
  const { keys } = config
  if (!isKeyFiles(keys)) return config
  const { publicKey, privateKeys } = keys
  const pathOf = (given: string): string => (given.includes('-----BEGIN ') ? given : resolve(base, given))
  return {
    ...config,
    keys: present({ publicKey: publicKey && pathOf(publicKey), privateKeys: privateKeys?.map(pathOf) }),
  }
}

/** And no key management service. */
function isKeyFiles(keys: EncryptionSettings['keys']): keys is KeyFileSettings {
  return !('wrap' in keys)
}
