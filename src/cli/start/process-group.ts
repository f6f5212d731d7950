/**
 * `perdure start --processes N`: N nodes on one machine, each in a process of its own. When the group is told to end, so are all.
 *
 * 1. One that ends by itself is started again, after a pause that grows with each end that comes soon.
 * 2. One that was ready once is started again for ever: what it lacks now may come back.
 * 3. One that never was, and ends soon several times in a row, cannot start: its port is taken, or a file is wrong. The group ends,
 *    and says why; whoever supervises it sees that.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { groupReportOf, IN_GROUP } from './group-report.ts'

export interface ProcessGroupOptions {
  readonly count: number
  /** Arguments of the process with this index. */
  readonly argsOf: (index: number) => readonly string[]
  readonly say: (text: string) => void
  /** Before it is started again for the first time. Default 500 ms; twice as long each time that follows. */
  readonly restartFirstMs?: number
}

const RESTART_FIRST_MS = 500
const RESTART_MOST_MS = 10_000
/** One that has run for so long has started well. */
const STEADY_MS = 30_000
/** So often in a row it may end soon without having been ready: 7.5 s of pauses. */
const STARTS_MOST = 5
const ERROR = 1
const USAGE = 2

interface Member {
  readonly index: number
  child: ChildProcess | undefined
  /** Ends that came soon, in a row. */
  soonEnds: number
  wasReady: boolean
  /** What it said when it could not start, if it could say so. */
  why: string | undefined
}

/** Resolves with the exit code when all have ended. */
export function runProcesses(options: ProcessGroupOptions): Promise<number> {
  return new ProcessGroup(options).run()
}

class ProcessGroup {
  readonly #options: ProcessGroupOptions
  readonly #members: readonly Member[]
  readonly #restarts = new Set<NodeJS.Timeout>()
  readonly #ended = Promise.withResolvers<number>()
  #isEnding = false
  #code = 0

  constructor(options: ProcessGroupOptions) {
    this.#options = options
    const fresh = { child: undefined, soonEnds: 0, wasReady: false, why: undefined }
    this.#members = Array.from({ length: options.count }, (_, index) => ({ ...fresh, index }))
  }

  async run(): Promise<number> {
    const signalled = (): void => this.#end()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, signalled)
    for (const member of this.#members) this.#begin(member)
    try {
      return await this.#ended.promise
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, signalled)
    }
  }

  #begin(member: Member): void {
    const begunMs = performance.now()
    const args = [...process.execArgv, ...this.#options.argsOf(member.index)]
    const child = spawn(process.execPath, args, {
      env: { ...process.env, [IN_GROUP]: '1' },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    })
    member.child = child
    member.why = undefined
    child.on('message', (message) => {
      const report = groupReportOf(message)
      if (report?.perdure === 'ready') member.wasReady = true
      if (report?.perdure === 'failed') member.why = report.why
    })
    // One that could not be started closes, too.
    child.once('error', ({ message }) => {
      member.why = message
    })
    // Not `exit`: what it has said last may come after that.
    child.once('close', (code, signal) => {
      member.child = undefined
      this.#left(member, { how: signal ?? code, code, ranMs: performance.now() - begunMs })
    })
  }

  #left(
    member: Member,
    {
      how,
      code,
      ranMs,
    }: { readonly how: string | number | null; readonly code: number | null; readonly ranMs: number },
  ): void {
    if (this.#isEnding) {
      if (code !== 0 && this.#code === 0) this.#code = ERROR
      this.#endIfEmpty()
      return
    }
    // A command line that is wrong is wrong each time.
    if (code === USAGE) {
      this.#end(USAGE)
      return
    }
    const soonBefore = ranMs > STEADY_MS ? 0 : member.soonEnds
    member.soonEnds = soonBefore + 1
    const name = `process ${member.index + 1}`
    if (!member.wasReady && ranMs <= STEADY_MS && member.soonEnds >= STARTS_MOST) {
      const why =
        member.why === undefined
          ? 'what it has said stands above'
          : `it says: ${member.why.replace(/\.$/, '')}`
      this.#options.say(
        `${name} cannot start: it ended ${member.soonEnds} times in a row before it was ready (${how}); ${why}. All processes end.`,
      )
      this.#end(ERROR)
      return
    }
    this.#beginLater(member, { name, how, soonBefore })
  }

  #beginLater(
    member: Member,
    {
      name,
      how,
      soonBefore,
    }: { readonly name: string; readonly how: string | number | null; readonly soonBefore: number },
  ): void {
    const { restartFirstMs = RESTART_FIRST_MS, say } = this.#options
    const pauseMs = Math.min(RESTART_MOST_MS, restartFirstMs * 2 ** soonBefore)
    say(`${name} ended (${how}): it is started again in ${pauseMs} ms`)
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      this.#begin(member)
    }, pauseMs)
    this.#restarts.add(timer)
  }

  #end(code = this.#code): void {
    this.#isEnding = true
    this.#code = code
    for (const timer of this.#restarts) clearTimeout(timer)
    for (const { child } of this.#members) child?.kill('SIGTERM')
    this.#endIfEmpty()
  }

  #endIfEmpty(): void {
    if (this.#members.every(({ child }) => child === undefined)) this.#ended.resolve(this.#code)
  }
}
