/**
 * A real cluster of etcd for tests: members with data of their own, on 127.0.0.1 and free ports, to be killed, stopped and started
 * again. They end with this process, however that ends.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { debianProgram } from '../debian-program.ts'
import { freePort } from '../postgres/server.ts'

export const etcdProgram = debianProgram('/usr/bin/etcd', 'etcd-server')
if ('missing' in etcdProgram) console.log(`NOT RUN: etcd: ${etcdProgram.missing}`)

const START_LIMIT_MS = 60_000
const START_ATTEMPTS = 3
const PROBE_MS = 500

/** Says the process id of the member, and ends it when this process is gone: then its end of the pipe is closed. */
const KEEPER =
  'exec 3<&0; "$@" >&2 & member=$!; echo "$member"; { cat <&3 > /dev/null; kill -KILL "$member" 2> /dev/null; } & wait "$member"'

export interface EtcdClusterOptions {
  /** Default 3. */
  readonly members?: number
  /** With TLS: certificates are asked of clients too. */
  readonly isSecure?: boolean
}

export class EtcdMember {
  readonly name: string
  readonly url: string
  readonly #folder: string
  readonly #args: readonly string[]
  #keeper: ChildProcess | undefined
  #pid = 0
  #isStopped = false

  constructor(name: string, url: string, folder: string, args: readonly string[]) {
    this.name = name
    this.url = url
    this.#folder = folder
    this.#args = args
  }

  get isUp(): boolean {
    return this.#keeper !== undefined && !this.#isStopped
  }

  async start(): Promise<void> {
    if ('missing' in etcdProgram) throw new Error(etcdProgram.missing)
    const log = openSync(join(this.#folder, `${this.name}.log`), 'a')
    // Settings of the environment count over the command line.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD_')))
    const keeper = spawn('sh', ['-c', KEEPER, 'sh', etcdProgram.path, ...this.#args], {
      env,
      stdio: ['pipe', 'pipe', log],
    })
    closeSync(log)
    this.#keeper = keeper
    this.#isStopped = false
    if (keeper.stdout === null) throw new Error('the member has no output')
    const lines = createInterface({ input: keeper.stdout })
    const [line] = (await once(lines, 'line')) as [string]
    this.#pid = Number(line)
  }

  async kill(): Promise<void> {
    const keeper = this.#keeper
    if (keeper === undefined) return
    this.#keeper = undefined
    const ended = once(keeper, 'exit')
    if (keeper.exitCode === null && keeper.signalCode === null) {
      process.kill(this.#pid, 'SIGKILL')
      await ended
    }
  }

  /** It hangs: its connections stay open, and nothing is answered. */
  stop(): void {
    this.#isStopped = true
    process.kill(this.#pid, 'SIGSTOP')
  }

  go(): void {
    this.#isStopped = false
    process.kill(this.#pid, 'SIGCONT')
  }

  get hasEnded(): boolean {
    return this.#keeper !== undefined && (this.#keeper.exitCode !== null || this.#keeper.signalCode !== null)
  }
}

export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdMember[]
  readonly folder: string
  readonly isSecure: boolean

  private constructor(folder: string, members: readonly EtcdMember[], isSecure: boolean) {
    this.folder = folder
    this.members = members
    this.isSecure = isSecure
  }

  static async start(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    for (let attempt = 1; ; attempt++) {
      const cluster = await EtcdCluster.#made(options)
      try {
        await Promise.all(cluster.members.map((member) => member.start()))
        await cluster.ready()
        return cluster
      } catch (error) {
        const isTaken = cluster.members.some(({ name }) => /address already in use/.test(cluster.log(name)))
        await cluster[Symbol.asyncDispose]()
        if (!isTaken || attempt === START_ATTEMPTS) throw error
      }
    }
  }

  static async #made({ members: count = 3, isSecure = false }: EtcdClusterOptions): Promise<EtcdCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'perdure-etcd-'))
    if (isSecure) makeCertificates(folder)
    const scheme = isSecure ? 'https' : 'http'
    const ports = await Promise.all(Array.from({ length: 2 * count }, freePort))
    const places = Array.from({ length: count }, (_, index) => ({
      name: `m${index + 1}`,
      client: `${scheme}://127.0.0.1:${ports[2 * index]}`,
      peer: `http://127.0.0.1:${ports[2 * index + 1]}`,
    }))
    const initial = places.map(({ name, peer }) => `${name}=${peer}`).join()
    const members = places.map(({ name, client, peer }) => {
      const data = join(folder, name)
      mkdirSync(data, { mode: 0o700 })
      const args = [
        ...['--name', name, '--data-dir', data, '--logger', 'zap', '--log-level', 'warn'],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', initial],
        ...(isSecure ? tlsArgs(folder) : []),
      ]
      return new EtcdMember(name, client, folder, args)
    })
    return new EtcdCluster(folder, members, isSecure)
  }

  /** For `coordinator`. */
  get url(): string {
    const hosts = this.members.map(({ url }) => url.replace(/^https?:\/\//, ''))
    return `${this.isSecure ? 'etcds' : 'etcd'}://${hosts.join()}`
  }

  log(name: string): string {
    return readFileSync(join(this.folder, `${name}.log`), 'utf8')
  }

  /** Resolves when there is a leader, and all members that are up know it. */
  async ready(): Promise<void> {
    const untilMs = performance.now() + START_LIMIT_MS
    for (;;) {
      const ended = this.members.find(({ hasEnded }) => hasEnded)
      if (ended !== undefined) throw new Error(`etcd has ended:\n${this.log(ended.name)}`)
      if ((await this.#leaderId()) !== undefined) return
      if (performance.now() > untilMs) throw new Error(`etcd does not start:\n${this.log('m1')}`)
      await sleep(50)
    }
  }

  /** The member that leads etcd itself. */
  async leader(): Promise<EtcdMember> {
    await this.ready()
    const id = await this.#leaderId()
    for (const member of this.members) {
      const status = member.isUp ? await this.#statusOf(member) : undefined
      if (status !== undefined && status.id === id) return member
    }
    throw new Error('the leader of etcd has gone meanwhile')
  }

  async #leaderId(): Promise<string | undefined> {
    const up = this.members.filter(({ isUp }) => isUp)
    const all = await Promise.all(up.map((member) => this.#statusOf(member)))
    const [first] = all
    if (first === undefined || first.leader === '0') return undefined
    return all.every((each) => each?.leader === first.leader) ? first.leader : undefined
  }

  async #statusOf(member: EtcdMember): Promise<{ readonly id: string; readonly leader: string } | undefined> {
    try {
      const { header, leader = '0' } = (await this.ask(member, 'maintenance/status', {})) as {
        readonly header: { readonly member_id: string }
        readonly leader?: string
      }
      return { id: header.member_id, leader }
    } catch {
      return undefined
    }
  }

  /** By curl: it knows the certificates, and is not what is tested. */
  async ask(
    member: EtcdMember,
    path: string,
    body: object,
    headers: readonly string[] = [],
  ): Promise<unknown> {
    const child = spawn('curl', [
      ...['--silent', '--show-error', '--fail-with-body', '--max-time', String(PROBE_MS / 1000)],
      ...(this.isSecure
        ? ['--cacert', this.pem('ca'), '--cert', this.pem('node'), '--key', this.pem('node-key')]
        : []),
      ...headers.flatMap((header) => ['--header', header]),
      ...['--data', JSON.stringify(body), `${member.url}/v3/${path}`],
    ])
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data))
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) throw new Error(`curl ended with ${code}: ${said}`)
    return JSON.parse(said)
  }

  /** The file of a certificate. */
  pem(name: 'ca' | 'node' | 'node-key'): string {
    return join(this.folder, `${name}.pem`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()))
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

function tlsArgs(folder: string): string[] {
  const pem = (name: string): string => join(folder, `${name}.pem`)
  return [
    ...['--cert-file', pem('node'), '--key-file', pem('node-key')],
    ...['--client-cert-auth', '--trusted-ca-file', pem('ca')],
  ]
}

/** An authority, and one certificate of it for members and clients alike. */
function makeCertificates(folder: string): void {
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=test',
    '-days',
    '2',
    '-keyout',
    'ca-key.pem',
    '-out',
    'ca.pem',
  )
  // With passwords too, the gateway refuses certificates that have a common name: it would not be the user.
  openssl('req', ...key, '-subj', '/O=node', '-keyout', 'node-key.pem', '-out', 'node.csr')
  writeFileSync(
    join(folder, 'extensions'),
    'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n',
  )
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial', '-extfile', 'extensions']
  openssl('x509', '-req', '-in', 'node.csr', ...signing, '-days', '2', '-out', 'node.pem')
}

/** Waits until it is so; what takes a minute will not come. */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + START_LIMIT_MS
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`not within ${START_LIMIT_MS} ms: ${what}`)
    await sleep(50)
  }
}
