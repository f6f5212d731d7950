/** The parameter that nearly all routes have. */
import { name, optional } from './values.ts'

export const namespaceQuery = {
  namespace: optional(name('Default: that of the credential, else `default`.')),
}
