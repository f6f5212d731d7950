/** What `perdure start` is told of access. */
import { resolve } from 'node:path'
import { PerdureError } from '../../protocol/errors.ts'
import { type AccessSettings, checkedAccessSettings } from '../../server/access/access-settings.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { CommandCall, OptionSpec } from '../command.ts'
import { UsageError } from '../usage-error.ts'

export const ACCESS_OPTIONS = {
  access: { says: 'whoever connects shows a key, a token or a certificate; see docs/security-guide.md' },
  'admin-key-file': {
    value: 'FILE',
    says: 'holds the key that may do everything; made if it is not there. Implies --access',
  },
  policies: { value: 'PATH', says: 'a file of Cedar policies, or a directory of *.cedar. Implies --access' },
  'jwt-issuer': { value: 'URL', says: 'whose tokens (OpenID Connect) are taken. Implies --access' },
  'jwt-audience': { value: 'NAME', says: 'whom its tokens are for' },
  'jwt-groups-claim': { value: 'CLAIM', says: 'where its tokens have groups; default groups' },
  'insecure-listen-without-authentication': {
    says: 'listen beyond this machine without TLS: everybody who reaches the port can do everything, or read along',
  },
} as const satisfies Record<string, OptionSpec>

type Given = Pick<CommandCall, 'options' | 'env' | 'directory'>

/** A flag over the environment over the configuration, whose paths are from its directory, `base`. */
export function startAccess(
  { options, env, directory }: Given,
  { base, config }: { readonly base: string; readonly config: PerdureConfig },
): AccessSettings | undefined {
  const given = (flag: string, variable: string): string | undefined =>
    options.text(flag) ?? (env[variable] === '' ? undefined : env[variable])
  const pathOf = (path: string | undefined, known: string | undefined): string | undefined =>
    path === undefined ? (known === undefined ? undefined : resolve(base, known)) : resolve(directory, path)
  const file = given('admin-key-file', 'PERDURE_ADMIN_KEY_FILE')
  const own = given('policies', 'PERDURE_POLICIES')
  const issuer = given('jwt-issuer', 'PERDURE_JWT_ISSUER')
  const audience = given('jwt-audience', 'PERDURE_JWT_AUDIENCE')
  const groups = given('jwt-groups-claim', 'PERDURE_JWT_GROUPS_CLAIM')
  if (issuer === undefined && (audience ?? groups) !== undefined)
    throw new UsageError('it is not said whose tokens are taken', 'Name the issuer with --jwt-issuer URL.')
  const isAsked = options.flag('access') || [file, own, issuer].some((each) => each !== undefined)
  if (!isAsked && config.access === undefined) return undefined
  const { adminKeyFile, policies, tokens, ...rest } = config.access ?? {}
  const key = pathOf(file, adminKeyFile)
  const path = pathOf(own, policies)
  const claims = groups === undefined ? {} : { claims: { groups } }
  const issuers = issuer === undefined ? tokens : [{ issuer, audience: audience ?? '', ...claims }]
  return checked({
    ...rest,
    ...(key === undefined ? {} : { adminKeyFile: key }),
    ...(path === undefined ? {} : { policies: path }),
    ...(issuers === undefined ? {} : { tokens: issuers }),
  })
}

/** Here, and not only when the engine starts: what is wrong would be wrong each time that it is started again. */
function checked(access: AccessSettings): AccessSettings {
  try {
    checkedAccessSettings(access)
    return access
  } catch (error) {
    if (error instanceof PerdureError) throw new UsageError(error.message)
    throw error
  }
}
