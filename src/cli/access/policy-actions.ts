/** Policies of the registry, and what they decide: `perdure access policies …`, `perdure access explain`. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Static } from 'typebox'
import { ACTIONS, type Action, isOfEngine } from '../../server/access/actions.ts'
import { PolicyFiles } from '../../server/access/policy-files.ts'
import { loadCedar, PolicyInvalidError, PolicySet } from '../../server/access/policy-set.ts'
import { present } from '../../server/http/present.ts'
import type { accessAnswer, policy } from '../../server/http/schemas/access.ts'
import type { Actions } from '../action-command.ts'
import type { CommandCall, GivenOptions } from '../command.ts'
import { printable } from '../display-width.ts'
import { attributesOf, fileText, IF_REVISION, pairsOf, wordsOf } from '../given-values.ts'
import { knownWord } from '../nearest-word.ts'
import { printDone, printPages } from '../printed-rows.ts'
import { deletion } from '../rest/deletion.ts'
import { overRest } from '../rest/rest.ts'
import { timeText } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'

type Policy = Static<typeof policy>

export const policyActions: Actions = {
  'policies list': {
    operands: [],
    says: 'those of the registry; those of roles and of files are not among them',
    looks: true,
    run: overRest(async (call, rest) => {
      const { rows } = await rest.page<Policy>({ path: ['policies'], isEverywhere: true }, 'policies')
      await printPages(call, [rows], {
        fields: [
          { title: 'ID', leastWidth: 10, of: ({ id }) => id },
          { title: 'REVISION', align: 'right', of: ({ revision }) => revision },
          { title: 'CHANGED', of: ({ changedMs }) => timeText(changedMs) },
          { title: 'TEXT', leastWidth: 12, of: ({ text }) => text.trim().replaceAll(/\s+/g, ' ') },
        ],
        none: 'No policies in the registry.',
      })
      return 0
    }),
  },
  'policies show': {
    operands: ['ID'],
    says: 'its text',
    looks: true,
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      const found = await rest.ask<Policy>({ path: ['policies', id], isEverywhere: true })
      if (call.options.flag('json')) call.output.line(JSON.stringify(found))
      else for (const line of found.text.trimEnd().split('\n')) call.output.line(printable(line))
      return 0
    }),
  },
  'policies put': {
    operands: ['ID', 'FILE'],
    says: 'makes or changes one: Cedar, of a file, or of standard input with -',
    options: IF_REVISION,
    run: overRest(async (call, rest) => {
      const [id = '', file = ''] = call.operands
      const put = await rest.ask<Policy>({
        method: 'PUT',
        path: ['policies', id],
        body: { text: await fileText(call, file) },
        ifRevision: call.options.count('if-revision', 0),
        isEverywhere: true,
      })
      printDone(call, put, `policy ${id}: revision ${put.revision}`)
      return 0
    }),
  },
  'policies delete': deletion({ says: 'deletes one', path: 'policies', thing: 'policy', isEverywhere: true }),
  'policies check': {
    operands: ['FILE'],
    says: 'whether it is Cedar that fits the schema, or all *.cedar of a directory; asks no engine',
    run: checkPolicies,
  },
  explain: {
    operands: ['ACTION'],
    says: 'whether somebody may do this, and which policies decide; default: you',
    looks: true,
    options: {
      principal: { value: 'PRINCIPAL', says: 'key:ID, token:ISSUER#SUBJECT or certificate:NAME' },
      role: { value: 'ROLE', says: 'that its token would say', multiple: true },
      group: { value: 'NAME', says: 'that its token would say', multiple: true },
      user: { value: 'USER', says: 'whom its token would say' },
      address: { value: 'IP', says: 'where the principal calls from' },
      id: { value: 'ID', says: 'of the execution, task, queue, … that it is done to' },
      fact: { value: 'NAME=VALUE', says: 'what policies look at beside, such as workflow', multiple: true },
      attribute: { value: 'NAME=VALUE', says: 'a search attribute of it', multiple: true },
    },
    run: overRest(async (call, rest) => {
      const { options, operands, output } = call
      assertAsked(options)
      const action = knownWord(
        operands[0] ?? '',
        Object.keys(ACTIONS) as Action[],
        'something that policies know',
      )
      const body = present({
        action,
        principal: options.text('principal'),
        roles: wordsOf(options, 'role'),
        groups: wordsOf(options, 'group'),
        user: options.text('user'),
        address: options.text('address'),
        // Of what belongs to a namespace, one is meant.
        namespace: options.text('namespace') ?? (isOfEngine(action) ? undefined : rest.namespace),
        id: options.text('id'),
        facts: pairsOf(options, 'fact'),
        attributes: attributesOf(options),
      })
      const answer = await rest.ask<Static<typeof accessAnswer>>({
        method: 'POST',
        path: ['access', 'explain'],
        body,
        isEverywhere: true,
      })
      if (options.flag('json')) {
        output.line(JSON.stringify(answer))
        return 0
      }
      const { isAllowed, sentence, roles, policies, errors } = answer
      output.line(output.paint(isAllowed ? 'green' : 'red', printable(sentence)))
      if (roles.length > 0) output.line(printable(`roles there: ${roles.join(', ')}`))
      for (const { id, text } of policies) {
        // What is built in has no text.
        if (text === '') continue
        output.line('')
        output.line(printable(`${id}:`))
        for (const line of text.split('\n')) output.line(`  ${printable(line)}`)
      }
      for (const error of errors) output.note(printable(`not applied: ${error}`))
      return 0
    }),
  },
}

/** What is known of the caller and of a key is not looked at in a question. @throws UsageError */
function assertAsked(options: GivenOptions): void {
  const principal = options.text('principal') ?? ''
  const given = (names: readonly string[]): string | undefined =>
    names.find((name) => options.names().includes(name))
  const isKnown = !/^(token|certificate):/.test(principal)
  const unused =
    (isKnown ? given(['role', 'group', 'user']) : undefined) ??
    (principal === '' ? given(['address']) : undefined)
  if (unused === undefined) return
  throw new UsageError(
    `--${unused} changes nothing of what ${principal === '' ? 'you' : principal} may do`,
    unused === 'address'
      ? 'Name whom it is about: --principal key:ID, token:ISSUER#SUBJECT or certificate:NAME.'
      : 'It is for --principal token:ISSUER#SUBJECT or certificate:NAME.',
  )
}

async function checkPolicies(call: CommandCall): Promise<number> {
  const [path = ''] = call.operands
  const file = resolve(call.directory, path)
  if (!existsSync(file)) throw new UsageError(`there is no file ${path}`)
  const cedar = await loadCedar()
  try {
    const policies = new PolicyFiles(file, cedar).read()
    if (policies.length === 0)
      throw new UsageError(`${path} has no policy`, 'Of a directory its files *.cedar are looked at.')
    const set = new PolicySet(cedar, policies)
    set.close()
    printDone(
      call,
      { isGood: true, policies: policies.map(({ id }) => id) },
      `${policies.length} ${policies.length === 1 ? 'policy is' : 'policies are'} good: ${policies.map(({ id }) => id).join(', ')}`,
    )
    return 0
  } catch (error) {
    if (!(error instanceof PolicyInvalidError)) throw error
    printDone(call, { isGood: false, detail: error.message }, error.message)
    return 1
  }
}
