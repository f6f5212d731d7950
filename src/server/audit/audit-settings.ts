/** What a program says of its audit trail. */
import { type Duration, optionalMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { checkedOptions, type OptionNames } from '../../sdk/checked-arguments.ts'

export interface AuditSettings {
  /**
   * File of the Ed25519 key that signs the heads of the trail each minute: PEM, PKCS#8. If there is none it is made, readable for
   * its owner only; the public key is beside it then, in the same file with `.pub`. The same for all nodes of a cluster. Keep it
   * away from the database: whoever has both can write the past anew.
   */
  readonly signingKeyFile: string
  /** Rows are dropped this long after they were written, when a signed head covers them. Default: never. At least 1 hour. */
  readonly retention?: Duration
}

export interface CheckedAuditSettings {
  readonly signingKeyFile: string
  readonly retentionMs: number | undefined
}

const WHAT = 'createEngine({ audit })'
const OPTIONS: OptionNames<AuditSettings> = { signingKeyFile: true, retention: true }
const RETENTION_LEAST_MS = 3_600_000

/** @throws PerdureError `ARGUMENT_INVALID`, `DURATION_INVALID` */
export function checkedAuditSettings(settings: AuditSettings): CheckedAuditSettings {
  const { signingKeyFile, retention } = checkedOptions<AuditSettings>(settings, WHAT, OPTIONS)
  if (typeof signingKeyFile !== 'string' || signingKeyFile === '')
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `${WHAT} needs signingKeyFile, the path of a file with an Ed25519 key; it is made if there is none`,
    )
  const retentionMs = optionalMs(retention, 'audit.retention')
  if (retentionMs !== undefined && retentionMs < RETENTION_LEAST_MS)
    throw new PerdureError('ARGUMENT_INVALID', 'audit.retention is shorter than 1 hour')
  return { signingKeyFile, retentionMs }
}
