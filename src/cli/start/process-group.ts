/**
 * `perdure start --processes N`: N nodes on one machine, each in a process of its own. One that ends by itself is started again,
 * after a pause that grows with each end that comes soon; when the group is told to end, so are all.
 */
import { type ChildProcess, spawn } from 'node:child_process'

export interface ProcessGroupOptions {
  readonly count: number
  /** Arguments of the process with this index. */
  readonly argsOf: (index: number) => readonly string[]
  readonly say: (text: string) => void
}

const RESTART_FIRST_MS = 500
const RESTART_MOST_MS = 10_000
/** One that has run for so long has started well. */
const STEADY_MS = 30_000

/** Resolves with the exit code when all have ended. */
export function runProcesses({ count, argsOf, say }: ProcessGroupOptions): Promise<number> {
  const children = new Map<number, ChildProcess>()
  const failures = new Map<number, number>()
  const restarts = new Set<NodeJS.Timeout>()
  let isEnding = false
  let code = 0
  const { promise, resolve } = Promise.withResolvers<number>()
  const begin = (index: number): void => {
    const begunMs = performance.now()
    const child = spawn(process.execPath, [...process.execArgv, ...argsOf(index)], { stdio: 'inherit' })
    children.set(index, child)
    child.once('exit', (exitCode, signal) => {
      children.delete(index)
      if (isEnding) {
        if (exitCode !== 0) code = 1
        if (children.size === 0) resolve(code)
        return
      }
      // A command line that is wrong is wrong each time.
      if (exitCode === 2) {
        code = 2
        end('SIGTERM')
        return
      }
      const failed = performance.now() - begunMs > STEADY_MS ? 0 : (failures.get(index) ?? 0)
      failures.set(index, failed + 1)
      const pauseMs = Math.min(RESTART_MOST_MS, RESTART_FIRST_MS * 2 ** failed)
      say(`process ${index + 1} ended (${signal ?? exitCode}): it is started again in ${pauseMs} ms`)
      const timer = setTimeout(() => {
        restarts.delete(timer)
        begin(index)
      }, pauseMs)
      restarts.add(timer)
    })
  }
  const end = (signal: NodeJS.Signals): void => {
    isEnding = true
    for (const timer of restarts) clearTimeout(timer)
    for (const child of children.values()) child.kill(signal)
    if (children.size === 0) resolve(code)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end('SIGTERM'))
  for (let index = 0; index < count; index++) begin(index)
  return promise
}
