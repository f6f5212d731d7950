/** What the commands about one execution of an engine have in common. */
import { encodePayload } from '../../protocol/payload.ts'
import type { Client, Execution } from '../../sdk/client.ts'
import { workflow } from '../../sdk/definition.ts'
import { COMMON_OPTIONS, type CommandCall } from '../command.ts'
import { printable } from '../display-width.ts'
import { ENGINE_OPTIONS, engineOf } from '../engine-choice.ts'
import { withEngine } from '../engine-connection.ts'
import { payloadJson, payloadLines } from '../payload-text.ts'

export const ONE_EXECUTION = {
  ...ENGINE_OPTIONS,
  namespace: { value: 'NAME', says: 'of the execution; default $PERDURE_NAMESPACE, or `default`' },
  run: { value: 'RUN', says: 'an earlier run of it; default: the newest' },
  ...COMMON_OPTIONS,
} as const

/** A workflow by its name: the code is where it runs. */
export function workflowNamed(name: string, version?: string) {
  return workflow({ name, ...(version === undefined ? {} : { version }), run: (): unknown => undefined })
}

/** With `waits`, for as long as it takes. */
export function withExecution<T>(
  call: CommandCall,
  use: (execution: Execution, engine: Client) => Promise<T>,
  settings: { readonly waits?: boolean } = {},
): Promise<T> {
  const [id = ''] = call.operands
  const runId = call.options.text('run')
  return withEngine(
    call,
    engineOf(call),
    // The handle goes by the id: the name of its workflow is not looked at.
    async (engine) =>
      use(engine.execution(workflowNamed('any'), id, runId === undefined ? {} : { runId }), engine),
    settings,
  )
}

/** What an execution or a handler has answered. */
export function printValue({ options, output }: CommandCall, value: unknown): void {
  const payload = encodePayload(value)
  if (options.flag('json')) output.line(JSON.stringify({ result: payloadJson(payload) }))
  else for (const line of payloadLines(payload, output.width, true)) output.line(line)
}

export function printDone({ options, output }: CommandCall, id: string, what: string): void {
  if (options.flag('json')) output.line(JSON.stringify({ id }))
  else output.line(printable(`execution ${id} ${what}`))
}
