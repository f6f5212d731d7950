/** `perdure run`: an execution is started. */
import type { ConflictPolicy } from '../../protocol/client-port.ts'
import type { StartOptions } from '../../sdk/client.ts'
import { COMMON_OPTIONS, type Command, type CommandCall, type GivenOptions } from '../command.ts'
import { printable } from '../display-width.ts'
import { ENGINE_OPTIONS, engineOf } from '../engine-choice.ts'
import { withEngine } from '../engine-connection.ts'
import { attributesOf } from '../given-values.ts'
import { INPUT_OPTION, inputOf } from '../input-value.ts'
import { knownWord } from '../nearest-word.ts'
import { workflowNamed } from './execution-option.ts'
import { printOutcome } from './execution-outcome.ts'

const CONFLICTS: readonly ConflictPolicy[] = ['use-existing', 'fail', 'terminate-existing']

export const runCommand: Command = {
  name: 'run',
  summary: 'Starts an execution of a workflow at an engine; with --wait also prints its result.',
  operands: ['WORKFLOW'],
  options: {
    ...ENGINE_OPTIONS,
    namespace: { value: 'NAME', says: 'where it runs; default $PERDURE_NAMESPACE, or `default`' },
    id: { value: 'ID', says: 'of the execution, so that a repeat is no second start; default: a new one' },
    ...INPUT_OPTION,
    version: { value: 'VERSION', says: 'of the workflow; default 1' },
    'on-conflict': {
      value: 'POLICY',
      says: `if the id exists: ${CONFLICTS.join(', ')}; default use-existing`,
    },
    delay: { value: 'TIME', says: 'its code runs after this time, such as 10m' },
    timeout: { value: 'TIME', says: 'it ends as timed out after this time; default: never' },
    attribute: {
      value: 'NAME=VALUE',
      says: 'a search attribute; true, false, null and numbers are taken as such, "12" as a text',
      multiple: true,
    },
    wait: { says: 'until it has ended; exit code 1 if it has not completed' },
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: `perdure run fulfil-order --id order-17 --input '{"total":3}'`, says: 'prints the id' },
    { line: 'perdure run fulfil-order --input @order.json --wait', says: 'prints the result' },
    { line: 'jq .order all.json | perdure run fulfil-order --input -', says: 'the input comes by a pipe' },
  ],
  run: runRun,
}

async function runRun(call: CommandCall): Promise<number> {
  const { options, output, operands } = call
  const definition = workflowNamed(operands[0] ?? '', options.text('version'))
  const input = await inputOf(call)
  const settings = startOptionsOf(options)
  const isWaiting = options.flag('wait')
  return withEngine(
    call,
    engineOf(call),
    async (engine) => {
      const execution = await engine.start(definition, input, settings)
      const { id, runId } = execution
      if (isWaiting) {
        output.note(printable(`execution ${id} (run ${runId})`))
        return printOutcome(call, execution)
      }
      if (options.flag('json')) output.line(JSON.stringify({ id, runId }))
      else output.line(printable(id))
      return 0
    },
    { waits: isWaiting },
  )
}

function startOptionsOf(options: GivenOptions): StartOptions {
  const id = options.text('id')
  const conflict = options.text('on-conflict')
  const delay = options.text('delay')
  const timeout = options.text('timeout')
  const attributes = attributesOf(options)
  return {
    ...(id === undefined ? {} : { id }),
    ...(conflict === undefined
      ? {}
      : { onConflict: knownWord(conflict, CONFLICTS, 'a policy for an id that exists') }),
    // What is no duration is refused where it is read.
    ...(delay === undefined ? {} : { delay: delay as NonNullable<StartOptions['delay']> }),
    ...(timeout === undefined ? {} : { executionTimeout: timeout as NonNullable<StartOptions['delay']> }),
    ...(attributes === undefined ? {} : { attributes }),
  }
}
