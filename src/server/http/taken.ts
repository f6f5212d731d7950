import type { ServerResponse } from 'node:http'

/** Writes to a reader, and resolves when it has taken it, or has gone. One that takes nothing for `mostMs` is cut. */
export async function writeTaken(response: ServerResponse, text: string, mostMs: number): Promise<void> {
  if (response.destroyed || response.write(text)) return
  await new Promise<void>((resolve) => {
    const late = setTimeout(() => response.destroy(), mostMs)
    const done = (): void => {
      clearTimeout(late)
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}
