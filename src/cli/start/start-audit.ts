/** What `perdure start` is told of the audit trail. */
import { resolve } from 'node:path'
import type { Duration } from '../../protocol/duration.ts'
import type { AuditSettings } from '../../server/audit/audit-settings.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { CommandCall } from '../command.ts'
import { UsageError } from '../usage-error.ts'

/** Calls are recorded if a key is named. Paths of the configuration are from its directory, `base`. */
export function startAudit(
  { options, env, directory }: Pick<CommandCall, 'options' | 'env' | 'directory'>,
  { base, config }: { readonly base: string; readonly config: PerdureConfig },
): AuditSettings | undefined {
  const variable = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])
  const key = options.text('audit-key') ?? variable('PERDURE_AUDIT_KEY')
  const { signingKeyFile, retention } = config.audit ?? {}
  const file = key === undefined ? signingKeyFile && resolve(base, signingKeyFile) : resolve(directory, key)
  const given = options.text('audit-retention') ?? variable('PERDURE_AUDIT_RETENTION') ?? retention
  const kept = given as Duration | undefined
  if (file === undefined || file === '') {
    if (kept === undefined && config.audit === undefined) return undefined
    throw new UsageError(
      'calls are to be recorded, and no key was named',
      'Name its file with --audit-key FILE.',
    )
  }
  return { signingKeyFile: file, ...(kept === undefined ? {} : { retention: kept }) }
}
