/** A workflow that a caller names, checked: programs without types may give anything. */
import { PerdureError } from '../protocol/errors.ts'
import type { Workflow } from './definition.ts'

/** Throws `ARGUMENT_INVALID` for what is no workflow, `WORKFLOW_UNKNOWN` for one that the engine has no code for. */
export function checkedWorkflow<W extends Workflow>(
  workflow: W,
  knows: (workflow: string, version: string) => boolean,
  what: string,
): W {
  if (workflow?.kind !== 'workflow')
    throw new PerdureError('ARGUMENT_INVALID', `${what} is not a workflow that workflow() made`)
  const { name, version } = workflow
  if (!knows(name, version))
    throw new PerdureError(
      'WORKFLOW_UNKNOWN',
      `workflow ${name} version ${version} is not registered with this engine`,
    )
  return workflow
}
