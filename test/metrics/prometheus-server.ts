/** A real Prometheus of Debian: it scrapes what it is told, on 127.0.0.1 and a free port, and ends with this process. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { debianProgram } from '../debian-program.ts'
import { freePort } from '../postgres/server.ts'

export const prometheusProgram = debianProgram('/usr/bin/prometheus', 'prometheus')
if ('missing' in prometheusProgram) console.log(`NOT RUN: Prometheus: ${prometheusProgram.missing}`)

const PROMTOOL = '/usr/bin/promtool'
const START_LIMIT_MS = 60_000

/** Its end of the pipe is closed when this process is gone. */
const KEEPER =
  'exec 3<&0; "$@" >&2 & server=$!; { cat <&3 > /dev/null; kill -KILL "$server" 2> /dev/null; } & wait "$server"'

export interface Toolled {
  readonly status: number | null
  readonly said: string
}

/** Runs the real `promtool`. */
export function promtool(args: readonly string[], input = ''): Toolled {
  if (!existsSync(PROMTOOL)) throw new Error(`${PROMTOOL} is missing: it comes with the package prometheus`)
  const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { input, encoding: 'utf8' })
  return { status, said: `${stdout}${stderr}` }
}

export interface Vector {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [time: number, value: string]
}

export class PrometheusServer implements AsyncDisposable {
  readonly #url: string
  readonly #folder: string
  readonly #keeper: ChildProcess
  #log = ''

  private constructor(url: string, folder: string, keeper: ChildProcess) {
    this.#url = url
    this.#folder = folder
    this.#keeper = keeper
    keeper.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text
    })
  }

  /**
   * @param targets `HOST:PORT` of what answers `/metrics`, as job `perdure`; each is scraped every second
   * @param token that it shows. Default: none
   */
  static async start(
    targets: readonly string[],
    { rules = [], token }: { readonly rules?: readonly string[]; readonly token?: string } = {},
  ): Promise<PrometheusServer> {
    if ('missing' in prometheusProgram) throw new Error(prometheusProgram.missing)
    const folder = mkdtempSync(join(tmpdir(), 'perdure-prometheus-'))
    const config = join(folder, 'prometheus.yml')
    const shown = token === undefined ? {} : { authorization: { credentials: token } }
    // JSON is YAML.
    writeFileSync(
      config,
      JSON.stringify({
        global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
        rule_files: rules,
        scrape_configs: [{ job_name: 'perdure', static_configs: [{ targets }], ...shown }],
      }),
    )
    const address = `127.0.0.1:${await freePort()}`
    const args = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ]
    const keeper = spawn('sh', ['-c', KEEPER, 'sh', prometheusProgram.path, ...args], {
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    const server = new PrometheusServer(`http://${address}`, folder, keeper)
    await server.#ready()
    return server
  }

  async #ready(): Promise<void> {
    const endMs = Date.now() + START_LIMIT_MS
    for (;;) {
      const isReady = await fetch(`${this.#url}/-/ready`).then(
        (response) => response.ok,
        () => false,
      )
      if (isReady) return
      if (Date.now() > endMs || this.#keeper.exitCode !== null) {
        await this[Symbol.asyncDispose]()
        throw new Error(`Prometheus did not start:\n${this.#log}`)
      }
      await sleep(50)
    }
  }

  /** @throws Error with what Prometheus says of the query */
  async query(query: string): Promise<readonly Vector[]> {
    const { result } = await this.#get<{ readonly result: readonly Vector[] }>(
      `query?query=${encodeURIComponent(query)}`,
    )
    return result
  }

  /** Why targets could not be scraped; of those that could, nothing. */
  async faults(): Promise<readonly string[]> {
    const { activeTargets } = await this.#get<{
      readonly activeTargets: readonly { readonly lastError: string; readonly health: string }[]
    }>('targets')
    return activeTargets.flatMap(({ lastError, health }) => (health === 'up' ? [] : [lastError || health]))
  }

  /** Rules that could not be evaluated, and why. */
  async ruleFaults(): Promise<readonly string[]> {
    const { groups } = await this.#get<{
      readonly groups: readonly {
        readonly rules: readonly {
          readonly name: string
          readonly health: string
          readonly lastError?: string
        }[]
      }[]
    }>('rules')
    return groups.flatMap(({ rules }) =>
      rules.flatMap(({ name, health, lastError }) =>
        health === 'ok' ? [] : [`${name}: ${health} ${lastError ?? ''}`],
      ),
    )
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1/${path}`)
    const answer = (await response.json()) as { status: string; error?: string; data: T }
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`)
    return answer.data
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#keeper.exitCode === null ? once(this.#keeper, 'exit') : undefined
    this.#keeper.stdin?.end()
    await ended
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
