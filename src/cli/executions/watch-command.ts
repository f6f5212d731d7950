/** `perdure watch ID`: the history of an execution as it grows. */
import type { Command } from '../command.ts'
import { eventPrinter } from '../history-command.ts'
import { ONE_EXECUTION, withExecution } from './execution-option.ts'

export const watchCommand: Command = {
  name: 'watch',
  summary: 'Shows the events of an execution as they become durable, until its run has ended.',
  operands: ['ID'],
  options: {
    after: { value: 'SEQ', says: 'only events after this number' },
    ...ONE_EXECUTION,
  },
  examples: [
    { line: 'perdure watch order-17', says: 'all events so far, then each as it comes' },
    { line: 'perdure watch order-17 --json | jq -c .event', says: 'for programs: one per line' },
  ],
  async run(call) {
    const afterSeq = call.options.count('after', 0) ?? 0
    const print = eventPrinter(call)
    await withExecution(
      call,
      async (execution) => {
        for await (const event of execution.watch({ afterSeq })) {
          print([event], afterSeq)
          await call.output.flushed()
        }
      },
      { waits: true },
    )
    return 0
  },
}
