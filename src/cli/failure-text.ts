/** A failure with its chain of causes, as lines. */
import type { Failure } from '../protocol/failure.ts'
import { printable } from './display-width.ts'

const SHORT_STACK_LINES = 4

export function failureLines(failure: Failure, full: boolean): string[] {
  const lines: string[] = []
  for (let each: Failure | undefined = failure, isFirst = true; each !== undefined; each = each.cause) {
    lines.push(`${isFirst ? '' : 'caused by: '}${failureGlance(each)}`)
    lines.push(...stackLines(each, full))
    isFirst = false
  }
  return lines
}

/** Name, code and message in one line. */
export function failureGlance({ name, code, message }: Pick<Failure, 'name' | 'code' | 'message'>): string {
  return printable(`${name}${code === undefined ? '' : ` [${code}]`}: ${message}`)
}

/** The frames of a stack: its first lines repeat name and message. */
function stackLines({ stack }: Failure, full: boolean): string[] {
  if (stack === undefined) return []
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  const shown = full ? frames : frames.slice(0, SHORT_STACK_LINES)
  const lines = shown.map((line) => `    ${printable(line.trim())}`)
  if (shown.length < frames.length)
    lines.push(`    … ${frames.length - shown.length} more, shown with --full`)
  return lines
}
