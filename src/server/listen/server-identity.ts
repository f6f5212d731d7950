import { TlsIdentity, type TlsSettings } from '../../platform/tls.ts'
import { PerdureError } from '../../protocol/errors.ts'

/** @throws PerdureError `ARGUMENT_INVALID` */
export function serverIdentity(
  tls: TlsSettings,
  warn: ConstructorParameters<typeof TlsIdentity>[2],
): TlsIdentity {
  const identity = new TlsIdentity(tls, 'tls', warn)
  for (const part of ['cert', 'key', 'ca'] as const)
    if (tls[part] === undefined)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `tls has no ${part}: an engine shows its certificate, and asks for one of the authority ca`,
      )
  return identity
}
