/** Real load balancers for tests: nginx and HAProxy of Debian, with configurations that `perdure lb-config` has written. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GivenOptions } from '../../src/cli/command.ts'
import { haproxyConfig } from '../../src/cli/lb-config/haproxy-config.ts'
import { balancerSettings } from '../../src/cli/lb-config/lb-config-options.ts'
import { nginxConfig } from '../../src/cli/lb-config/nginx-config.ts'
import { debianProgram } from '../debian-program.ts'
import { freePort } from '../postgres/server.ts'

export const FRONTS = ['nginx', 'haproxy'] as const
export type FrontName = (typeof FRONTS)[number]

const NGINX = '/usr/sbin/nginx'
const NGINX_STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so'
const HAPROXY = '/usr/sbin/haproxy'
const START_LIMIT_MS = 20_000

/** Ends what it has started when this process is gone: then its end of the pipe is closed. */
export const KEEPER =
  'exec 3<&0; "$@" & program=$!; { cat <&3 > /dev/null; kill -TERM "$program" 2> /dev/null; } & wait "$program"'

/** The reason why they cannot run here; false: they can. */
export function missingFronts(): string | false {
  for (const [path, name] of [
    [NGINX, 'nginx-light'],
    [NGINX_STREAM, 'libnginx-mod-stream'],
    [HAPROXY, 'haproxy'],
  ] as const) {
    const found = debianProgram(path, name)
    if ('missing' in found) return found.missing
  }
  return process.getuid?.() === 0 ? false : 'nginx of Debian has its files where only root writes'
}

/** What `perdure lb-config` writes. */
export function configOf(name: FrontName, options: Readonly<Record<string, string>>): string {
  const settings = balancerSettings(name, new GivenOptions(options))
  return name === 'nginx' ? nginxConfig(settings) : haproxyConfig(settings)
}

/** What the program says of the file; undefined: nothing is wrong with it. */
export function faultOf(name: FrontName, file: string): string | undefined {
  const args = name === 'nginx' ? ['-t', ...nginxArgs(file)] : ['-c', '-f', file]
  const { status, stdout, stderr } = spawnSync(name === 'nginx' ? NGINX : HAPROXY, args, { encoding: 'utf8' })
  const said = `${stdout}${stderr}`
  return status === 0 && !/warn|\[alert\]/i.test(said) ? undefined : said
}

/** Where it has its files is left to those who install it; here it is a folder of the test. */
function nginxArgs(file: string): string[] {
  return ['-c', file, '-g', `pid ${file}.pid; error_log ${file}.log warn; daemon off;`]
}

export class Front implements AsyncDisposable {
  readonly port: number
  readonly #folder: string
  #keeper: ChildProcess

  private constructor(port: number, folder: string, keeper: ChildProcess) {
    this.port = port
    this.#folder = folder
    this.#keeper = keeper
  }

  /**
   * @param options of the command, without `--listen`
   * @param edited makes of the file what an operator might
   */
  static async start(
    name: FrontName,
    options: Readonly<Record<string, string>>,
    edited: (text: string) => string = (text) => text,
  ): Promise<Front> {
    const folder = mkdtempSync(join(tmpdir(), `perdure-${name}-`))
    const port = await freePort()
    const file = join(folder, 'config')
    writeFileSync(file, edited(configOf(name, { listen: `127.0.0.1:${port}`, ...options })))
    const args = name === 'nginx' ? [NGINX, ...nginxArgs(file)] : [HAPROXY, '-db', '-f', file]
    const keeper = spawn('sh', ['-c', KEEPER, 'keeper', ...args], { stdio: ['pipe', 'ignore', 'ignore'] })
    keeper.stdin?.on('error', () => undefined)
    const front = new Front(port, folder, keeper)
    try {
      await front.#listens()
    } catch (error) {
      await front[Symbol.asyncDispose]()
      throw error
    }
    return front
  }

  async #listens(): Promise<void> {
    const endMs = performance.now() + START_LIMIT_MS
    while (performance.now() < endMs && this.#keeper.exitCode === null) {
      if (await isOpen(this.port)) return
      await sleep(20)
    }
    throw new Error('the load balancer does not start')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const keeper = this.#keeper
    if (keeper.exitCode === null && keeper.signalCode === null) {
      const ended = once(keeper, 'exit')
      keeper.stdin?.end()
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export async function isOpen(port: number, host = '127.0.0.1'): Promise<boolean> {
  const socket = connect({ port, host })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // Nobody listens there yet.
    return false
  } finally {
    socket.destroy()
  }
}
