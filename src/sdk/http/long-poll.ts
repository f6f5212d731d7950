/** Waiting for longer than a request may take: it is asked again until there is something. */
import type { HttpAnswer } from './http-calls.ts'

/** Less than proxies let a request wait (most of them: 30 s or 60 s). */
const WAIT_MS = 25_000
const NOT_YET = 202

/** What a request that waits is asked with. */
export const LONG_POLL = { query: { waitMs: WAIT_MS }, answerMs: WAIT_MS + 30_000 } as const

export async function untilEnded<T>(ask: () => Promise<HttpAnswer<T>>): Promise<T> {
  for (;;) {
    const { status, body } = await ask()
    if (status !== NOT_YET) return body
  }
}
