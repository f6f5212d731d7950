/**
 * `--watch`: a command that lists, again and again.
 *
 * 1. On a terminal each picture is drawn over the one before.
 * 2. Into a pipe go lines of JSON, each when it is new or has changed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command, CommandCall, OptionSpec } from './command.ts'
import { printable } from './display-width.ts'
import { OutputClosedError } from './output.ts'
import { timeText } from './time-text.ts'
import { UsageError } from './usage-error.ts'

export const WATCH_OPTION = {
  watch: { says: 'again every 2 s until it is ended; into a pipe with --json: what is new or has changed' },
} as const satisfies Record<string, OptionSpec>

/** Actions of commands that have some; all others change something. */
const LOOKING = ['list', 'show', 'inbox', 'explain']
const EVERY_MS = 2000
const HOME_AND_CLEAR = '\u001b[H\u001b[J'

function isLook([action]: readonly string[]): boolean {
  return action === undefined || LOOKING.includes(action)
}

/** Does not end by itself: by a signal, or when nobody reads any more. */
export async function watched(
  call: CommandCall,
  command: string,
  { run, isLooking = isLook }: Pick<Command, 'run' | 'isLooking'>,
): Promise<never> {
  const { options, operands, output } = call
  if (!isLooking(operands))
    throw new UsageError(
      `--watch does not repeat '${operands.slice(0, isLooking === isLook ? 1 : 2).join(' ')}'`,
      `It is for ${LOOKING.join(', ')}, and what changes nothing.`,
    )
  const isJson = options.flag('json')
  if (!output.isTerminal && !isJson)
    throw new UsageError(
      '--watch without --json is for a terminal',
      'Add --json: each line is printed when it is new or has changed.',
    )
  let before: ReadonlySet<string> = new Set()
  for (let isFirst = true; ; isFirst = false) {
    const nowMs = isFirst ? call.nowMs : Date.now()
    const captured = output.captured()
    let lines: readonly string[]
    try {
      await run({ ...call, nowMs, output: captured.output })
      lines = captured.lines()
    } catch (error) {
      // What was never there is an error of the command line; an engine that is away comes again.
      if (isFirst || error instanceof OutputClosedError) throw error
      const why = printable(error instanceof Error ? error.message : String(error))
      if (output.isTerminal && !isJson) lines = [why]
      else {
        output.note(`perdure: ${why}`)
        await sleep(EVERY_MS)
        continue
      }
    }
    if (output.isTerminal && !isJson) {
      const title = `${command}, ${timeText(nowMs)}, every ${EVERY_MS / 1000} s; Ctrl-C ends it`
      output.line(`${HOME_AND_CLEAR}${output.paint('dim', printable(title))}`)
      for (const line of lines) output.line(line)
    } else {
      for (const line of lines) if (!before.has(line)) output.line(line)
      before = new Set(lines)
    }
    await output.flushed()
    await sleep(EVERY_MS)
  }
}
