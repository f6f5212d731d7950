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
}

export async function started(
  args: readonly string[],
  {
    count = 1,
    env = {},
    cwd = tmpdir(),
  }: { count?: number; env?: Record<string, string>; cwd?: string } = {},
): Promise<Started> {
  const child = spawn(process.execPath, ['--conditions=perdure-source', MAIN, 'start', ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const urls: string[] = []
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    const url = /listens on (wss?:[^\s,]+)/.exec(line)?.[1]
    if (url !== undefined) urls.push(url)
    if (urls.length === count) break
  }
  assert.equal(urls.length, count, 'the engine has ended')
  return { child, urls, said: lines.join('\n') }
}

/** It is told to end. */
export async function ended({ child }: Started): Promise<number | null> {
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = (await exit) as [number | null]
  return code
}
