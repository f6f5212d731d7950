/** API keys: `perdure access keys …`. The text of a key is printed once, to standard output alone. */
import type { Static } from 'typebox'
import { present } from '../../server/http/present.ts'
import type { apiKey, shownApiKey } from '../../server/http/schemas/access.ts'
import type { Actions } from '../action-command.ts'
import type { CommandCall } from '../command.ts'
import { printable } from '../display-width.ts'
import { durationOf, wordsOf } from '../given-values.ts'
import { type Field, printDone, printPages, printThing, timeCell } from '../printed-rows.ts'
import { deletion } from '../rest/deletion.ts'
import { overRest } from '../rest/rest.ts'
import { timeText } from '../time-text.ts'

type ApiKey = Static<typeof apiKey>

const FIELDS: readonly Field<ApiKey>[] = [
  { title: 'ID', leastWidth: 10, of: ({ id }) => id },
  { title: 'NAME', leastWidth: 8, of: ({ name }) => name },
  { title: 'NAMESPACE', leastWidth: 8, optional: 2, of: ({ namespace }) => namespace },
  { title: 'ROLES', leastWidth: 8, of: ({ roles }) => roles.join(', ') },
  { title: 'STATE', of: stateOf },
  { title: 'EXPIRES', optional: 3, of: ({ expiresMs }) => timeCell(expiresMs) },
  { title: 'LAST USED', optional: 1, of: ({ lastUsedMs }) => timeCell(lastUsedMs) },
  { title: 'CREATED', optional: 4, of: ({ createdMs }) => timeText(createdMs) },
]

function stateOf({ revokedMs, expiresMs }: ApiKey): { text: string; style: 'red' | 'green' } {
  if (revokedMs !== undefined) return { text: 'revoked', style: 'red' }
  if (expiresMs !== undefined && expiresMs <= Date.now()) return { text: 'expired', style: 'red' }
  return { text: 'good', style: 'green' }
}

/** So that `> FILE` has the key and nothing else. */
function printSecret({ options, output }: CommandCall, key: Static<typeof shownApiKey>, what: string): void {
  output.line(options.flag('json') ? JSON.stringify(key) : key.key)
  output.note(printable(`key ${key.id} ${what}; its text is shown this once`))
}

export const keyActions: Actions = {
  'keys list': {
    operands: [],
    says: 'API keys that you may read',
    looks: true,
    run: overRest(async (call, rest) => {
      const query = { namespace: call.options.text('namespace') }
      const { rows } = await rest.page<ApiKey>({ path: ['api-keys'], query, isEverywhere: true }, 'keys')
      await printPages(call, [rows], { fields: FIELDS, none: 'No keys.' })
      return 0
    }),
  },
  'keys show': {
    operands: ['ID'],
    says: 'one, without its secret',
    looks: true,
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      printThing(call, await rest.ask<ApiKey>({ path: ['api-keys', id], isEverywhere: true }))
      return 0
    }),
  },
  'keys create': {
    operands: ['NAME'],
    says: 'makes one, and prints its text, to standard output alone',
    options: {
      role: {
        value: 'ROLE',
        says: 'such as viewer, operator@billing or admin@*; what it can do',
        multiple: true,
      },
      user: { value: 'USER', says: 'who it is for human tasks' },
      group: { value: 'NAME', says: 'a group that it is in', multiple: true },
      expires: { value: 'TIME', says: 'so long from now, such as 30d; default: never' },
    },
    run: overRest(async (call, rest) => {
      const { options, operands } = call
      const body = present({
        name: operands[0] ?? '',
        namespace: options.text('namespace'),
        roles: wordsOf(options, 'role'),
        user: options.text('user'),
        groups: wordsOf(options, 'group'),
        expiresInMs: durationOf(options, 'expires'),
      })
      const made = await rest.ask<Static<typeof shownApiKey>>({
        method: 'POST',
        path: ['api-keys'],
        body,
        isEverywhere: true,
      })
      printSecret(call, made, 'is made')
      return 0
    }),
  },
  'keys rotate': {
    operands: ['ID'],
    says: 'gives it another secret, and prints its new text, to standard output alone',
    options: { grace: { value: 'TIME', says: 'how long the secret before is good; default 1d' } },
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      const made = await rest.ask<Static<typeof shownApiKey>>({
        method: 'POST',
        path: ['api-keys', id, 'rotate'],
        body: present({ graceMs: durationOf(call.options, 'grace') }),
        isEverywhere: true,
      })
      printSecret(call, made, 'has another secret')
      return 0
    }),
  },
  'keys revoke': {
    operands: ['ID'],
    says: 'lets it open nothing any more, within a second',
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      await rest.ask({ method: 'POST', path: ['api-keys', id, 'revoke'], isEverywhere: true })
      printDone(call, { id }, `key ${id} opens nothing any more`)
      return 0
    }),
  },
  'keys delete': deletion({
    says: 'forgets one that was revoked, or has expired',
    path: 'api-keys',
    thing: 'key',
    done: 'is forgotten',
    isEverywhere: true,
  }),
}
