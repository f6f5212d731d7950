/** Who has which role: `perdure access roles …`. */
import type { Static } from 'typebox'
import { present } from '../../server/http/present.ts'
import type { roleBindings } from '../../server/http/schemas/access.ts'
import type { Actions } from '../action-command.ts'
import type { CommandCall } from '../command.ts'
import { printDone, printPages } from '../printed-rows.ts'
import { overRest } from '../rest/rest.ts'

type Binding = Static<typeof roleBindings>['bindings'][number]

/** Where a role counts. */
function placeOf(namespace: string | undefined): string {
  return namespace === undefined ? 'everywhere' : `in ${namespace}`
}

function bindingOf({ operands, options }: CommandCall): Record<string, string> {
  const [principal = '', role = ''] = operands
  return present({ principal, role, namespace: options.text('namespace') }) as Record<string, string>
}

export const roleActions: Actions = {
  'roles list': {
    operands: [],
    says: 'who was given which role where',
    looks: true,
    run: overRest(async (call, rest) => {
      const query = { namespace: call.options.text('namespace') }
      const found = { path: ['role-bindings'], query, isEverywhere: true } as const
      const { rows } = await rest.page<Binding>(found, 'bindings')
      await printPages(call, [rows], {
        fields: [
          { title: 'PRINCIPAL', leastWidth: 12, of: ({ principal }) => principal },
          { title: 'ROLE', of: ({ role }) => role },
          { title: 'WHERE', leastWidth: 10, of: ({ namespace }) => placeOf(namespace) },
        ],
        none: 'Nobody was given a role; those of keys and tokens come with them.',
      })
      return 0
    }),
  },
  'roles give': {
    operands: ['PRINCIPAL', 'ROLE'],
    says: 'to key:ID, token:ISSUER#SUBJECT, certificate:NAME or group:NAME',
    run: overRest(async (call, rest) => {
      const body = bindingOf(call)
      await rest.ask({ method: 'POST', path: ['role-bindings'], body, isEverywhere: true })
      printDone(call, body, `${body.principal} is ${body.role} ${placeOf(body.namespace)}`)
      return 0
    }),
  },
  'roles take': {
    operands: ['PRINCIPAL', 'ROLE'],
    says: 'takes it away again',
    run: overRest(async (call, rest) => {
      const query = bindingOf(call)
      await rest.ask({ method: 'DELETE', path: ['role-bindings'], query, isEverywhere: true })
      printDone(call, query, `${query.principal} is not ${query.role} ${placeOf(query.namespace)}`)
      return 0
    }),
  },
}
