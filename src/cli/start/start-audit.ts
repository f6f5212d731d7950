/** What `perdure start` is told of the audit trail: calls are recorded if a key is named. */
import { resolve } from 'node:path'
import type { Duration } from '../../protocol/duration.ts'
import { type AuditSettings, checkedAuditSettings } from '../../server/audit/audit-settings.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { CommandCall, OptionSpec } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { at } from './given-settings.ts'

export const AUDIT_OPTIONS = {
  'audit-key': {
    value: 'FILE',
    says: 'calls that change something are recorded, and signed with this Ed25519 key; made if there is none',
  },
  'audit-retention': { value: 'TIME', says: 'what was recorded is dropped so long after; default: never' },
} as const satisfies Record<string, OptionSpec>

/** @param base directory of the configuration file */
export function startAudit(
  { options, env, directory }: Pick<CommandCall, 'options' | 'env' | 'directory'>,
  config: PerdureConfig['audit'],
  { base, place }: { readonly base: string; readonly place: string },
): AuditSettings | undefined {
  const variable = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])
  const inFile = config === undefined ? undefined : at(place, () => ofFile(config, base))
  const key = options.text('audit-key') ?? variable('PERDURE_AUDIT_KEY')
  const kept = options.text('audit-retention') ?? variable('PERDURE_AUDIT_RETENTION')
  if (key === undefined && inFile === undefined) {
    if (kept === undefined) return undefined
    throw new UsageError('a retention of the audit trail, and no key', 'Name it with --audit-key FILE.')
  }
  const signingKeyFile = key === undefined ? (inFile?.signingKeyFile ?? '') : resolve(directory, key)
  const settings = kept === undefined ? inFile : { retention: kept as Duration }
  const retention = settings?.retention
  const from = kept === undefined ? place : '--audit-retention or PERDURE_AUDIT_RETENTION'
  const given = { signingKeyFile, ...(retention === undefined ? {} : { retention }) }
  at(from, () => checkedAuditSettings(given))
  return given
}

function ofFile(config: AuditSettings, base: string): AuditSettings {
  checkedAuditSettings(config)
  return { ...config, signingKeyFile: resolve(base, config.signingKeyFile) }
}
