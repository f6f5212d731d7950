/** Calls that wait for something: they are told when nobody waits for their answer any more. */
import type { ClientPort } from '../protocol/client-port.ts'
import type { NodeMethod } from '../protocol/node-messages.ts'

/** Without its options. */
const UPDATE_ARGUMENTS = 4

/** The arguments for the port, with the signal where the call takes one. */
export function withSignal(
  method: NodeMethod,
  args: readonly unknown[],
  signal: AbortSignal,
): readonly unknown[] {
  if (method === 'outcome' || method === 'tasks.outcome') return [args[0], { signal }]
  if (method === 'update') return [...args.slice(0, UPDATE_ARGUMENTS), { signal }]
  if (method !== 'history') return args
  const [target, afterSeq, options] = args as Parameters<ClientPort['history']>
  return [target, afterSeq, { ...options, signal }]
}
