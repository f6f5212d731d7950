import type { CommandCall } from './command.ts'

/** All of it, up to its end. */
export async function standardInput(stdin: CommandCall['stdin']): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stdin ?? []) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  return Buffer.concat(chunks).toString('utf8')
}
