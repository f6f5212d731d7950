/** Actions that delete what is named. */
import type { Action } from '../action-command.ts'
import { IF_REVISION } from '../given-values.ts'
import { printDone } from '../printed-rows.ts'
import { overRest } from './rest.ts'

interface Deletion {
  readonly says: string
  /** Of the routes, such as `webhooks`. */
  readonly path: string
  /** For people, such as `webhook`. */
  readonly thing: string
  /** What it is named by. Default `ID`. */
  readonly operand?: 'ID' | 'NAME'
  /** Default: it is deleted. */
  readonly done?: string
  /** It belongs to no namespace. */
  readonly isEverywhere?: true
  /** Takes `--if-revision`. */
  readonly isOfRevision?: boolean
}

export function deletion(what: Deletion): Action {
  const { says, path, thing, operand = 'ID', done = 'is deleted', isEverywhere, isOfRevision = false } = what
  const everywhere = isEverywhere === true ? { isEverywhere } : {}
  return {
    operands: [operand],
    says,
    options: isOfRevision ? IF_REVISION : {},
    run: overRest(async (call, rest) => {
      const [named = ''] = call.operands
      const ifRevision = isOfRevision ? call.options.count('if-revision', 0) : undefined
      await rest.ask({ method: 'DELETE', path: [path, named], ifRevision, ...everywhere })
      printDone(call, { [operand.toLowerCase()]: named }, `${thing} ${named} ${done}`)
      return 0
    }),
  }
}
