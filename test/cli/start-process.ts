/** `perdure start` as a process. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { MAIN } from './store-fixture.ts'

export interface Started {
  readonly child: ChildProcess
  /** Of each process that listens. */
  readonly urls: readonly string[]
  /** What it has said so far. */
  readonly said: string
  /** What it has logged so far, if it is heard. */
  readonly logged: () => string
}

export async function started(
  args: readonly string[],
  {
    count = 1,
    env = {},
    cwd = tmpdir(),
    isHeard = false,
  }: { count?: number; env?: Record<string, string>; cwd?: string; isHeard?: boolean } = {},
): Promise<Started> {
  const child = spawn(process.execPath, ['--conditions=perdure-source', MAIN, 'start', ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', isHeard ? 'pipe' : 'inherit'],
  })
  const { stdout } = child
  assert.ok(stdout !== null)
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const urls: string[] = []
  const lines: string[] = []
  for await (const line of createInterface({ input: stdout })) {
    lines.push(line)
    const url = /listens on (wss?:[^\s,]+)/.exec(line)?.[1]
    if (url !== undefined) urls.push(url)
    if (urls.length === count) break
  }
  assert.equal(urls.length, count, 'the engine has ended')
  return { child, urls, said: lines.join('\n'), logged: () => log }
}

/** It is told to end. */
export async function ended({ child }: Started): Promise<number | null> {
  // With the last of what it said.
  const exit = once(child, 'close')
  child.kill('SIGTERM')
  const [code] = (await exit) as [number | null]
  return code
}
