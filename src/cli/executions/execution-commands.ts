/** `perdure signal`, `query`, `update`, `cancel`, `terminate`, `retry`, `delete` and `result`: one execution of an engine. */
import { query, signal, update } from '../../sdk/definition.ts'
import type { Command } from '../command.ts'
import { INPUT_OPTION, inputOf } from '../input-value.ts'
import { ONE_EXECUTION, printDone, printValue, withExecution } from './execution-option.ts'
import { printOutcome } from './execution-outcome.ts'

const REASON = { reason: { value: 'TEXT', says: 'why, for its history' } } as const

export const signalCommand: Command = {
  name: 'signal',
  summary: 'Sends a signal to an execution; done when the signal is durable.',
  operands: ['ID', 'SIGNAL'],
  options: {
    ...INPUT_OPTION,
    'request-id': {
      value: 'ID',
      says: 'a signal with the same one is recorded once per run; default: a new one',
    },
    ...ONE_EXECUTION,
  },
  examples: [
    { line: `perdure signal order-17 approved --input '"ann"'`, says: 'with a payload' },
    { line: 'perdure signal order-17 wake --request-id wake-1', says: 'safe to be repeated' },
  ],
  async run(call) {
    const [id = '', name = ''] = call.operands
    const payload = await inputOf(call)
    const requestId = call.options.text('request-id')
    await withExecution(call, (execution) =>
      execution.signal(signal<unknown>(name), payload, requestId === undefined ? {} : { requestId }),
    )
    printDone(call, id, `has got the signal ${name}`)
    return 0
  },
}

export const queryCommand: Command = {
  name: 'query',
  summary: 'Asks an execution, and prints its answer; nothing is recorded.',
  operands: ['ID', 'QUERY'],
  options: { ...INPUT_OPTION, ...ONE_EXECUTION },
  examples: [
    { line: 'perdure query order-17 progress', says: 'what its code answers' },
    { line: 'perdure query order-17 progress --json | jq .result', says: 'for programs' },
  ],
  async run(call) {
    const input = await inputOf(call)
    const name = call.operands[1] ?? ''
    printValue(
      call,
      await withExecution(call, (execution) => execution.query(query<unknown, unknown>(name), input)),
    )
    return 0
  },
}

export const updateCommand: Command = {
  name: 'update',
  summary: 'Changes an execution by one of its update handlers, and prints what that answers.',
  operands: ['ID', 'UPDATE'],
  options: {
    ...INPUT_OPTION,
    'update-id': { value: 'ID', says: 'an update with the same one runs once; default: a new one' },
    ...ONE_EXECUTION,
  },
  examples: [
    { line: `perdure update order-17 add-item --input '{"sku":"b-2"}'`, says: 'waits for the answer' },
    {
      line: `perdure update order-17 add-item --input @item.json --update-id item-2`,
      says: 'safe to be repeated',
    },
  ],
  async run(call) {
    const input = await inputOf(call)
    const name = call.operands[1] ?? ''
    const updateId = call.options.text('update-id')
    const answer = await withExecution(
      call,
      (execution) =>
        execution.update(update<unknown, unknown>(name), input, updateId === undefined ? {} : { updateId }),
      { waits: true },
    )
    printValue(call, answer)
    return 0
  },
}

export const cancelCommand: Command = {
  name: 'cancel',
  summary: 'Asks an execution to stop: its code may clean up.',
  operands: ['ID'],
  options: { ...REASON, ...ONE_EXECUTION },
  examples: [
    {
      line: 'perdure cancel order-17 --reason "the customer called"',
      says: 'perdure result waits for its end',
    },
    { line: 'perdure cancel order-17 --profile prod', says: 'at the engine of a profile' },
  ],
  async run(call) {
    const reason = call.options.text('reason')
    await withExecution(call, (execution) => execution.cancel(reason))
    printDone(call, call.operands[0] ?? '', 'is asked to stop')
    return 0
  },
}

export const terminateCommand: Command = {
  name: 'terminate',
  summary: 'Ends an execution at once: its code gets no say.',
  operands: ['ID'],
  options: { ...REASON, ...ONE_EXECUTION },
  examples: [
    { line: 'perdure terminate order-17 --reason "stuck"', says: 'perdure cancel lets it clean up' },
    { line: 'perdure terminate order-17 --run RUN', says: 'only if this run is the open one' },
  ],
  async run(call) {
    const reason = call.options.text('reason')
    await withExecution(call, (execution) => execution.terminate(reason))
    printDone(call, call.operands[0] ?? '', 'is terminated')
    return 0
  },
}

export const retryCommand: Command = {
  name: 'retry',
  summary: 'Continues a failed or parked execution from where it stopped; recorded results are kept.',
  operands: ['ID'],
  options: ONE_EXECUTION,
  examples: [
    { line: 'perdure retry order-17', says: 'once its cause is mended' },
    { line: 'perdure retry order-17 --json', says: 'for programs' },
  ],
  async run(call) {
    await withExecution(call, (execution) => execution.retry())
    printDone(call, call.operands[0] ?? '', 'goes on')
    return 0
  },
}

export const deleteCommand: Command = {
  name: 'delete',
  summary: 'Deletes an execution that has ended, with its history.',
  operands: ['ID'],
  options: ONE_EXECUTION,
  examples: [
    { line: 'perdure delete order-17', says: 'it cannot be brought back' },
    { line: 'perdure delete order-17 --run RUN', says: 'only this run' },
  ],
  async run(call) {
    await withExecution(call, (execution) => execution.delete())
    printDone(call, call.operands[0] ?? '', 'is deleted')
    return 0
  },
}

export const resultCommand: Command = {
  name: 'result',
  summary: 'Waits until an execution has ended, and prints its result; exit code 1 if it has not completed.',
  operands: ['ID'],
  options: ONE_EXECUTION,
  examples: [
    { line: 'perdure result order-17', says: 'also through continue-as-new' },
    { line: 'perdure result order-17 --json | jq .result', says: 'for programs' },
  ],
  run: (call) => withExecution(call, (execution) => printOutcome(call, execution), { waits: true }),
}
