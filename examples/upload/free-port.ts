/** A port of this machine that stays free while nobody listens on it. */
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Systems take the ports of outgoing connections from 32768 on: one of those may be gone when the engine starts again. */
const lowest = 20_000
const highest = 32_000
const tries = 100

export async function freePort(): Promise<number> {
  for (let left = tries; left > 0; left--) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if (await isFree(port)) return port
  }
  throw new Error(`none of ${tries} ports between ${lowest} and ${highest} is free`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
