/** Shapes of what the API says of keys, roles, policies and namespaces, and takes. */
import Type from 'typebox'
import { LONGEST_MS } from '../../../protocol/duration.ts'
import { ACTIONS } from '../../access/actions.ts'
import { OPEN_MOST } from '../../access/namespaces.ts'
import { ROLES } from '../../access/roles.ts'
import { answered, asked, attributes, count, flag, list, name, optional, timeMs, words } from './values.ts'

const NAMES_MOST = 100
const POLICY_CHARACTERS = 64 * 1024
const GRACE_MOST_MS = 30 * 86_400_000
const ADDRESS_CHARACTERS = 64

export const keyParam = { id: name('Of the key: what is between `pdk_` and the next `_`.') }
export const policyParam = { id: name('Its name.') }
export const namespaceParam = { name: name('Its name.') }
/** Not the namespace that the request is in. */
export const ofNamespace = { namespace: optional(name('Only what belongs to it. Default: all.')) }

export const newApiKey = asked({
  name: name('For people.'),
  namespace: optional(name('Where it belongs, and is administered. Default: to the whole engine.')),
  roles: optional(
    list(
      name('`viewer` (in its own namespace, else `default`), `operator@billing`, `admin@*`.'),
      'None that its maker could not give.',
      NAMES_MOST,
    ),
  ),
  user: optional(name('Who it is for human tasks.')),
  groups: optional(list(name('A group.'), 'Default: none.', NAMES_MOST)),
  expiresInMs: optional(
    Type.Integer({
      minimum: 1000,
      maximum: LONGEST_MS,
      description: 'Milliseconds from now. Default: it does not expire.',
    }),
  ),
})
export const rotation = asked({
  graceMs: optional(
    Type.Integer({
      minimum: 0,
      maximum: GRACE_MOST_MS,
      description: 'How long the secret before is good for, milliseconds. Default a day.',
    }),
  ),
})

const apiKeyFields = {
  id: Type.String(),
  prefix: Type.String({ description: 'How its text begins.' }),
  name: Type.String(),
  namespace: optional(Type.String({ description: 'Absent: it belongs to the whole engine.' })),
  roles: list(Type.String()),
  user: optional(Type.String()),
  groups: list(Type.String()),
  createdMs: timeMs('When it was made.'),
  createdBy: Type.String({ description: 'Who has made it, such as `key:7Q2M…`.' }),
  expiresMs: optional(timeMs('Absent: it does not expire.')),
  rotatedMs: optional(timeMs('When it got its secret.')),
  previousUntilMs: optional(timeMs('The secret before is good until then.')),
  revokedMs: optional(timeMs('It opens nothing since.')),
  lastUsedMs: optional(timeMs('To the hour. Absent: never, or not known yet.')),
}
export const apiKey = answered('ApiKey', apiKeyFields)
export const shownApiKey = answered('ShownApiKey', {
  ...apiKeyFields,
  key: Type.String({ description: 'Its text, which is never shown again.' }),
})
export const apiKeys = answered('ApiKeys', { keys: list(apiKey) })

const principal = name('`key:ID`, `token:ISSUER#SUBJECT`, `certificate:NAME` or `group:NAME`.')
const bindingFields = {
  principal,
  role: words(ROLES),
  namespace: optional(name('Where it counts. Absent: everywhere, and for what belongs to no namespace.')),
}
export const roleBinding = asked(bindingFields)
export const roleBindingQuery = bindingFields
export const roleBindings = answered('RoleBindings', {
  bindings: list(answered('RoleBinding', { ...bindingFields, principal: Type.String() })),
})

export const newPolicy = asked({
  text: Type.String({
    minLength: 1,
    maxLength: POLICY_CHARACTERS,
    description: 'One or several policies of Cedar, at most 64 KiB.',
  }),
})
export const policy = answered('Policy', {
  id: Type.String(),
  text: Type.String({ description: 'Of Cedar.' }),
  revision: count('Rises by one with each change.'),
  changedMs: timeMs('When it was changed last.'),
})
export const policies = answered('Policies', { policies: list(policy) })

const quotas = {
  payloadBytes: optional(count('Of one payload of a call, encoded.')),
  requestsPerSecond: optional(
    Type.Number({ minimum: 0.001, description: 'Calls that are permitted, on each node.' }),
  ),
  openExecutions: optional(
    Type.Integer({ minimum: 0, maximum: OPEN_MOST, description: 'Open at once: clients start no more.' }),
  ),
  openTasks: optional(
    Type.Integer({
      minimum: 0,
      maximum: OPEN_MOST,
      description: 'Delayed, waiting or running at once: clients enqueue no more.',
    }),
  ),
}
export const newNamespace = asked({
  name: name('Unique.'),
  quotas: optional(asked(quotas, 'What is not given has no bound.')),
})
export const quotaChange = asked({ quotas: asked(quotas, 'What is not given has no bound any more.') })
export const namespace = answered('Namespace', {
  name: Type.String(),
  quotas: Type.Object(quotas, { description: 'What is absent has no bound.' }),
  revision: count('Rises by one with each change. 0: `default`, as long as nobody has changed it.'),
})
export const namespaces = answered('Namespaces', { namespaces: list(namespace) })

export const accessQuestion = asked({
  action: words(Object.keys(ACTIONS) as (keyof typeof ACTIONS)[], 'What is to be done.'),
  principal: optional(name('`key:ID`, `token:ISSUER#SUBJECT` or `certificate:NAME`. Default: the caller.')),
  groups: optional(list(name('A group.'), 'What its token would say; those of a key are known.', NAMES_MOST)),
  roles: optional(list(name('A role.'), 'The same.', NAMES_MOST)),
  user: optional(name('The same.')),
  address: optional(
    Type.String({ maxLength: ADDRESS_CHARACTERS, description: 'Where it calls from. Default: nowhere.' }),
  ),
  namespace: optional(name('Where. Default: what belongs to none.')),
  id: optional(name('Of the execution, task, queue, … that it is done to.')),
  facts: optional(
    Type.Record(Type.String({ format: 'name' }), Type.String(), {
      maxProperties: 64,
      description: 'What policies look at beside, such as `workflow`.',
    }),
  ),
  attributes: optional(attributes),
})
export const accessAnswer = answered('AccessAnswer', {
  isAllowed: flag('It may.'),
  sentence: Type.String({ description: 'For people.' }),
  roles: list(Type.String(), 'Roles that count there.'),
  policies: list(
    Type.Object({ id: Type.String(), text: Type.String() }),
    'Those that decided. None: nothing permits it.',
  ),
  errors: list(Type.String(), 'Policies that could not be applied.'),
})
