/**
 * Tasks run by programs that have no SDK: claimed, and their end told.
 *
 * The token of a claim is a secret: it comes and goes in a file or through a pipe, never on the command line.
 */
import { hostname } from 'node:os'
import type { Static } from 'typebox'
import { present } from '../../server/http/present.ts'
import type { claims, lease } from '../../server/http/schemas/claims.ts'
import type { Action, Actions } from '../action-command.ts'
import type { CommandCall } from '../command.ts'
import { durationOf, fileText, neededText, wordsOf } from '../given-values.ts'
import { inputOf } from '../input-value.ts'
import { printDone } from '../printed-rows.ts'
import { overRest, WAIT_MOST_MS } from '../rest/rest.ts'
import { UsageError } from '../usage-error.ts'

/** Of the first line of the file: what `claim` has printed. */
async function tokenOf(call: CommandCall): Promise<string> {
  const [file = '-'] = call.operands
  const [line = ''] = (await fileText(call, file)).split('\n')
  const what = file === '-' ? 'standard input' : file
  let claim: unknown
  try {
    claim = JSON.parse(line)
  } catch {
    // Not the message of the parser: it shows a piece of the token.
    claim = undefined
  }
  if (typeof claim === 'object' && claim !== null && 'token' in claim && typeof claim.token === 'string')
    return claim.token
  throw new UsageError(`${what} holds no claim in its first line`, 'perdure tasks claim QUEUE > claim.json')
}

/** @param optionOf for JSON, which must not come from where the claim comes from */
async function jsonOf(call: CommandCall, option: string): Promise<unknown> {
  if (call.options.text(option) === '-' && (call.operands[0] ?? '-') === '-')
    throw new UsageError(`the claim and --${option} both come from standard input`, 'Name a file for one.')
  return inputOf(call, option)
}

function told(
  kind: string,
  says: string,
  options: NonNullable<Action['options']>,
  bodyOf: (call: CommandCall) => Promise<object | undefined>,
): Action {
  return {
    operands: ['[FILE]'],
    says,
    options,
    run: overRest(async (call, rest) => {
      const body = await bodyOf(call)
      const path = ['claims', await tokenOf(call), kind]
      const shownPath = ['claims', '…', kind]
      const answer = await rest.ask<Static<typeof lease> | undefined>({
        method: 'POST',
        path,
        shownPath,
        ...present({ body }),
      })
      printDone(call, answer ?? { told: kind }, `told: ${kind}`)
      return 0
    }),
  }
}

export const claimActions: Actions = {
  claim: {
    operands: ['QUEUE'],
    says: 'claims tasks, to run them: one line of JSON for each, with the token that tells their end',
    options: {
      task: { value: 'NAME', says: 'of tasks that you can run', multiple: true },
      most: { value: 'N', says: 'tasks at most; default 1' },
      wait: { value: 'TIME', says: 'for the first, up to 60s; default: not at all' },
      lease: { value: 'TIME', says: 'a claim of which nothing is heard for so long is lost; default 30s' },
      worker: { value: 'NAME', says: 'who you are, for people; default: the name of this machine' },
    },
    run: overRest(async (call, rest) => {
      const { options, operands, output } = call
      const waitMs = durationOf(options, 'wait') ?? 0
      if (waitMs > WAIT_MOST_MS) throw new UsageError('--wait is more than 60s', 'Ask again instead.')
      neededText(options, 'task')
      const body = present({
        worker: options.text('worker') ?? hostname(),
        tasks: wordsOf(options, 'task'),
        max: options.count('most', 1),
        waitMs,
        leaseMs: durationOf(options, 'lease'),
      })
      const path = ['queues', operands[0] ?? '', 'claims']
      const found = await rest.ask<Static<typeof claims>>({ method: 'POST', path, body, waitMs })
      for (const claim of found.claims) output.line(JSON.stringify(claim))
      if (found.claims.length === 0) output.note('Nothing came in this time.')
      return 0
    }),
  },
  complete: told(
    'complete',
    'tells that a claimed task is done; FILE has the claim, default standard input',
    { result: { value: 'JSON', says: 'what it returns: JSON, @FILE with JSON, or -; default: nothing' } },
    async (call) => present({ result: await jsonOf(call, 'result') }),
  ),
  fail: told(
    'fail',
    'tells that it has failed; it is tried again as its retry policy says',
    {
      message: { value: 'TEXT', says: 'of the error' },
      code: { value: 'CODE', says: 'of the error' },
      'no-retry': { says: 'it is not tried again' },
    },
    async ({ options }) =>
      present({
        message: neededText(options, 'message'),
        code: options.text('code'),
        nonRetryable: options.flag('no-retry') ? true : undefined,
      }),
  ),
  heartbeat: told(
    'heartbeat',
    'tells that it is still being run: its lease begins anew',
    { checkpoint: { value: 'JSON', says: 'what the next attempt starts from' } },
    async (call) => present({ checkpoint: await jsonOf(call, 'checkpoint') }),
  ),
  return: told(
    'return',
    'gives it back: it waits again, and no attempt is counted',
    {},
    async () => undefined,
  ),
}
