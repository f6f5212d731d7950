/** Debian's Redis for BullMQ: each command that writes is on disk before it is answered. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { debianProgram } from '../../test/debian-program.ts'
import { freePort } from '../../test/postgres/server.ts'
import { KeptServer } from './kept-server.ts'

/** The program; it is installed where that may be done unasked. */
export function redisProgram(): string {
  const found = debianProgram('/usr/bin/redis-server', 'redis-server')
  if ('missing' in found) throw new Error(found.missing)
  return found.path
}

export function redisVersion(): string {
  const text = execFileSync(redisProgram(), ['--version'], { encoding: 'utf8' })
  return / v=(\S+)/.exec(text)?.[1] ?? text.trim()
}

export async function startRedis(): Promise<{ readonly url: string; readonly server: KeptServer }> {
  const port = await freePort()
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    appendonly: 'yes',
    appendfsync: 'always',
    // No snapshots beside the append-only file, and no rewrite of it half way, as PostgreSQL makes no checkpoint half way.
    save: '',
    'auto-aof-rewrite-percentage': '0',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const server = await KeptServer.start({
    name: 'redis',
    command: (folder) => [redisProgram(), ...args, '--dir', folder],
    isReady: () => answersPing(port),
  })
  return { url: `redis://127.0.0.1:${port}`, server }
}

async function answersPing(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [answer] = await once(socket, 'data')
    return String(answer).startsWith('+PONG')
  } finally {
    socket.destroy()
  }
}
