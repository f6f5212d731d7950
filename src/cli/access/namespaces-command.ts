/** `perdure namespaces`: namespaces of an engine with access, and their quotas. */
import type { Static } from 'typebox'
import type { namespace } from '../../server/http/schemas/access.ts'
import { actionCommand } from '../action-command.ts'
import type { GivenOptions } from '../command.ts'
import { ENGINE_OPTIONS } from '../engine-choice.ts'
import { IF_REVISION, pairsOf } from '../given-values.ts'
import { printDone, printPages, printThing } from '../printed-rows.ts'
import { deletion } from '../rest/deletion.ts'
import { overRest } from '../rest/rest.ts'
import { UsageError } from '../usage-error.ts'

type Namespace = Static<typeof namespace>

const QUOTA = {
  quota: {
    value: 'NAME=N',
    says: 'such as requestsPerSecond=50 or payloadBytes=65536; NAME=none: no bound',
    multiple: true,
  },
} as const

/** Null: it shall have no bound. The engine knows which there are. @throws UsageError */
function quotasOf(options: GivenOptions): Readonly<Record<string, number | null>> {
  return Object.fromEntries(
    Object.entries(pairsOf(options, 'quota') ?? {}).map(([name, text]) => {
      const number = text.trim() === '' ? Number.NaN : Number(text)
      if (text !== 'none' && !Number.isFinite(number))
        throw new UsageError(
          `--quota ${name}=${text} is no number`,
          'Such as requestsPerSecond=50, or payloadBytes=none.',
        )
      return [name, text === 'none' ? null : number]
    }),
  )
}

/** What is there with what is changed. */
function changed(quotas: object, changes: Readonly<Record<string, number | null>>): object {
  return Object.fromEntries(Object.entries({ ...quotas, ...changes }).filter(([, value]) => value !== null))
}

function quotasText({ quotas }: Namespace): string {
  return Object.entries(quotas)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}

const told = (made: Namespace): string => {
  const quotas = quotasText(made)
  return `namespace ${made.name}: revision ${made.revision}, ${quotas === '' ? 'no quotas' : quotas}`
}

export const namespacesCommand = actionCommand({
  name: 'namespaces',
  summary: 'Namespaces of an engine with access, and their quotas.',
  usual: 'list',
  shared: ENGINE_OPTIONS,
  actions: {
    list: {
      operands: [],
      says: 'those that you have to do with',
      looks: true,
      run: overRest(async (call, rest) => {
        const request = { path: ['namespaces'], isEverywhere: true } as const
        const { rows } = await rest.page<Namespace>(request, 'namespaces')
        await printPages(call, [rows], {
          fields: [
            { title: 'NAMESPACE', leastWidth: 8, of: ({ name }) => name },
            { title: 'REVISION', align: 'right', of: ({ revision }) => revision },
            { title: 'QUOTAS', leastWidth: 12, of: quotasText },
          ],
          none: 'No namespaces that you have to do with.',
        })
        return 0
      }),
    },
    show: {
      operands: ['NAME'],
      says: 'one, with its quotas',
      looks: true,
      run: overRest(async (call, rest) => {
        const [name = ''] = call.operands
        printThing(call, await rest.ask<Namespace>({ path: ['namespaces', name], isEverywhere: true }))
        return 0
      }),
    },
    create: {
      operands: ['NAME'],
      says: 'makes one',
      options: QUOTA,
      run: overRest(async (call, rest) => {
        const body = { name: call.operands[0], quotas: changed({}, quotasOf(call.options)) }
        const made = await rest.ask<Namespace>({
          method: 'POST',
          path: ['namespaces'],
          body,
          isEverywhere: true,
        })
        printDone(call, made, told(made))
        return 0
      }),
    },
    set: {
      operands: ['NAME'],
      says: 'changes its quotas; those that are not given stay',
      options: { ...QUOTA, ...IF_REVISION },
      run: overRest(async (call, rest) => {
        const path = ['namespaces', call.operands[0] ?? '']
        const changes = quotasOf(call.options)
        if (Object.keys(changes).length === 0)
          throw new UsageError('nothing is to be set', 'Such as --quota requestsPerSecond=50.')
        const known = await rest.ask<Namespace>({ path, isEverywhere: true })
        const set = await rest.ask<Namespace>({
          method: 'PUT',
          path,
          body: { quotas: changed(known.quotas, changes) },
          // What somebody else has set meanwhile is not undone.
          ifRevision: call.options.count('if-revision', 0) ?? known.revision,
          isEverywhere: true,
        })
        printDone(call, set, told(set))
        return 0
      }),
    },
    delete: deletion({
      says: 'deletes one that is empty',
      path: 'namespaces',
      thing: 'namespace',
      operand: 'NAME',
      isEverywhere: true,
    }),
  },
  examples: [
    { line: 'perdure namespaces create billing --quota requestsPerSecond=50', says: 'with a quota' },
    { line: 'perdure namespaces set billing --quota payloadBytes=65536', says: 'its other quotas stay' },
    { line: 'perdure namespaces --json | jq -r .name', says: 'only their names' },
  ],
})
