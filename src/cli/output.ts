/**
 * Where commands write.
 *
 * 1. Results go to standard output, everything said about them to standard error.
 * 2. A reader that has gone (`perdure list | head`) ends the command quietly: the next write throws `OutputClosedError`.
 * 3. Colour only on a terminal, and not with NO_COLOR.
 */
import { styleText } from 'node:util'
import { type Style, wrap } from './display-width.ts'

export interface OutputStream {
  write(text: string): boolean
  once(event: 'drain' | 'close', listener: () => void): unknown
  off(event: 'drain' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  readonly writableNeedDrain: boolean
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

export interface OutputOptions {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly env: Readonly<Record<string, string | undefined>>
}

const DEFAULT_WIDTH = 80
const LEAST_WIDTH = 20

export class OutputClosedError extends Error {
  override readonly name = 'OutputClosedError'
}

export class Output {
  readonly #stdout: OutputStream
  readonly #stderr: OutputStream
  readonly #env: OutputOptions['env']
  #failure: Error | undefined

  constructor({ stdout, stderr, env }: OutputOptions) {
    this.#stdout = stdout
    this.#stderr = stderr
    this.#env = env
    stdout.on('error', (error: Error & { code?: unknown }) => {
      this.#failure = error.code === 'EPIPE' ? new OutputClosedError() : error
    })
    // Nobody is left to be told.
    stderr.on('error', () => {})
  }

  /** Cells of a line. */
  get width(): number {
    const asked = this.#stdout.columns ?? Number.parseInt(this.#env.COLUMNS ?? '', 10)
    return Number.isInteger(asked) && asked > 0 ? Math.max(LEAST_WIDTH, asked) : DEFAULT_WIDTH
  }

  get isTerminal(): boolean {
    return this.#stdout.isTTY === true
  }

  /** As this one looks, but its lines are kept; what is said about them is not. */
  captured(): { readonly output: Output; lines(): readonly string[] } {
    const kept: string[] = []
    const { isTTY, columns } = this.#stdout
    const keeping = { once: () => {}, off: () => {}, on: () => {}, writableNeedDrain: false, isTTY, columns }
    const keep = (text: string): boolean => {
      kept.push(text)
      return true
    }
    const output = new Output({
      stdout: { ...keeping, write: keep },
      stderr: { ...keeping, write: () => true },
      env: this.#env,
    })
    return { output, lines: () => kept.join('').split('\n').slice(0, -1) }
  }

  get isStderrTerminal(): boolean {
    return this.#stderr.isTTY === true
  }

  line(text: string): void {
    if (this.#failure !== undefined) throw this.#failure
    this.#stdout.write(`${text}\n`)
  }

  /** Waits until what was written has gone out, or the reader has gone. */
  async flushed(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#stdout.writableNeedDrain && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#stdout.off('drain', done)
          this.#stdout.off('close', done)
          resolve()
        }
        this.#stdout.once('drain', done)
        this.#stdout.once('close', done)
      })
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  note(text: string): void {
    this.#stderr.write(`${text}\n`)
  }

  /** Raw text on standard error, for a line that is written over. */
  status(text: string): void {
    this.#stderr.write(text)
  }

  paint = (style: Style, text: string): string => {
    const isColoured =
      this.#stdout.isTTY === true && (this.#env.NO_COLOR ?? '') === '' && this.#env.TERM !== 'dumb'
    return isColoured ? styleText(style, text, { validateStream: false }) : text
  }

  /** Writes text in lines of the terminal's width: all indented, and the mark before the first. */
  paragraph(text: string, indent = '', mark = ''): void {
    const lines = wrap(text, this.width - indent.length - mark.length)
    for (const [i, line] of lines.entries())
      this.line(indent + (i === 0 ? mark : ' '.repeat(mark.length)) + line)
  }
}
