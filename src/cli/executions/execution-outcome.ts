/** How an execution has ended, in words or as JSON; the exit code is 1 unless it completed. */
import { encodePayload } from '../../protocol/payload.ts'
import type { Execution } from '../../sdk/client.ts'
import { ExecutionFailedError } from '../../sdk/execution-failed-error.ts'
import type { CommandCall } from '../command.ts'
import { printable, wrap } from '../display-width.ts'
import { payloadJson, payloadLines } from '../payload-text.ts'

/** Waits for the end. */
export async function printOutcome({ options, output }: CommandCall, execution: Execution): Promise<number> {
  const { id } = execution
  let value: unknown
  try {
    value = await execution.result()
  } catch (error) {
    if (!(error instanceof ExecutionFailedError)) throw error
    const { status, code, message } = error
    if (options.flag('json')) output.line(JSON.stringify({ id, status, error: { code, message } }))
    else for (const line of wrap(printable(message), output.width)) output.note(line)
    return 1
  }
  const payload = encodePayload(value)
  if (options.flag('json'))
    output.line(JSON.stringify({ id, status: 'completed', result: payloadJson(payload) }))
  else for (const line of payloadLines(payload, output.width, true)) output.line(line)
  return 0
}
