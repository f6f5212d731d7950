/** A server for one measurement: on 127.0.0.1 and a free port, with files of its own. It ends with its process, however that ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const START_LIMIT_MS = 60_000
const POLL_MS = 20

/** Ends the server when this process is gone: then its end of the pipe is closed. */
const KEEPER =
  'exec 3<&0; "$@" < /dev/null & server=$!; { cat <&3 > /dev/null; kill -KILL "$server" 2> /dev/null; } & wait "$server"'

export interface KeptServerOptions {
  readonly name: string
  /** Program and arguments; it gets an empty folder. */
  readonly command: (folder: string) => readonly string[]
  /** It takes requests. Asked again and again. */
  readonly isReady: () => Promise<boolean>
}

export class KeptServer implements AsyncDisposable {
  readonly #name: string
  readonly #folder: string
  readonly #keeper: ChildProcess

  private constructor(options: KeptServerOptions) {
    this.#name = options.name
    this.#folder = mkdtempSync(join(tmpdir(), `perdure-${options.name}-`))
    const script = `exec > '${join(this.#folder, 'log')}' 2>&1; ${KEEPER}`
    this.#keeper = spawn('sh', ['-c', script, 'keeper', ...options.command(this.#folder)], {
      cwd: this.#folder,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#keeper.stdin?.on('error', () => undefined)
  }

  static async start(options: KeptServerOptions): Promise<KeptServer> {
    const server = new KeptServer(options)
    try {
      await server.#ready(options.isReady)
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#keeper.exitCode === null && this.#keeper.signalCode === null) {
      const ended = once(this.#keeper, 'exit')
      this.#keeper.stdin?.end()
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #ready(isReady: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + START_LIMIT_MS
    while (this.#keeper.exitCode === null && performance.now() < endMs) {
      if (await isReady().catch(() => false)) return
      await sleep(POLL_MS)
    }
    const log = join(this.#folder, 'log')
    throw new Error(`${this.#name} does not start:\n${existsSync(log) ? readFileSync(log, 'utf8') : ''}`)
  }
}
