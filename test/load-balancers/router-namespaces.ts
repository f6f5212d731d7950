/**
 * Machines with a network of their own: network namespaces of this one, on a bridge that it reaches too.
 *
 * The addresses are of 198.18.0.0/15, which is for tests of networks (RFC 2544): nobody else has them.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { debianProgram } from '../debian-program.ts'
import { KEEPER } from './front.ts'

const IP = '/usr/sbin/ip'
const KEEPALIVED = '/usr/sbin/keepalived'

/** The reason why there can be none here; false: there can. */
export function missingNamespaces(): string | false {
  for (const [path, name] of [
    [IP, 'iproute2'],
    [KEEPALIVED, 'keepalived'],
    ['/usr/bin/curl', 'curl'],
  ] as const) {
    const found = debianProgram(path, name)
    if ('missing' in found) return found.missing
  }
  const probe = `perdure-probe-${process.pid}`
  const { status, stderr } = spawnSync(IP, ['netns', 'add', probe], { encoding: 'utf8' })
  spawnSync(IP, ['netns', 'del', probe])
  if (status === 0) return false
  const why = `no network namespaces can be made here: ${stderr.trim()}`
  if (process.env.CI === 'true') throw new Error(why)
  return why
}

function ip(...args: readonly string[]): string {
  return execFileSync(IP, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** A program in a machine. */
export interface Program {
  readonly child: ChildProcess
  /** What it has said so far. */
  readonly lines: readonly string[]
}

export class Machine {
  readonly name: string
  readonly address: string
  /** Of this end of its cable. */
  readonly #cable: string
  readonly #programs = new Set<ChildProcess>()

  constructor(name: string, { address, cable, bridge }: { address: string; cable: string; bridge: string }) {
    this.name = name
    this.address = address
    this.#cable = cable
    ip('netns', 'add', name)
    ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    ip('link', 'set', cable, 'master', bridge, 'up')
    this.run(IP, 'link', 'set', 'lo', 'up')
    this.run(IP, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    this.run(IP, 'link', 'set', 'eth0', 'up')
  }

  /** What a program says that ends by itself. */
  run(...command: readonly string[]): string {
    return ip('netns', 'exec', this.name, ...command)
  }

  /** How a program ends, whatever it says. */
  tried(...command: readonly string[]): { readonly status: number | null; readonly said: string } {
    const args = ['netns', 'exec', this.name, ...command]
    const { status, stdout, stderr } = spawnSync(IP, args, { encoding: 'utf8' })
    return { status, said: `${stdout}${stderr}` }
  }

  /** A program that goes on until it is told to end, or this process is gone. */
  start(...command: readonly string[]): Program {
    const args = ['-c', KEEPER, 'keeper', IP, 'netns', 'exec', this.name, ...command]
    const child = spawn('sh', args, { stdio: ['pipe', 'ignore', 'pipe'] })
    this.#programs.add(child)
    child.stdin.on('error', () => undefined)
    const lines: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
    return { child, lines }
  }

  has(address: string): boolean {
    return this.run(IP, '-o', 'addr', 'show', 'dev', 'eth0').includes(` ${address}/`)
  }

  /** Its processes are gone at once, those of `program` or all. */
  kill(name?: string): void {
    const pids = ip('netns', 'pids', this.name)
      .split('\n')
      .filter((pid) => pid !== '')
    for (const pid of pids) {
      try {
        if (name !== undefined && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== name) continue
        process.kill(Number(pid), 'SIGKILL')
      } catch (error) {
        // It has ended meanwhile, as those do that belong to one that was killed.
        if (!(error instanceof Error && 'code' in error && /ESRCH|ENOENT/.test(String(error.code))))
          throw error
      }
    }
  }

  /** As if its power was cut: nothing comes from it any more, and nothing runs. */
  cutOff(): void {
    ip('link', 'set', this.#cable, 'down')
    this.kill()
  }

  async end(): Promise<void> {
    for (const child of this.#programs) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.stdin?.end()
      await ended
    }
    // The other end of the cable goes with it.
    ip('link', 'del', this.#cable)
    ip('netns', 'del', this.name)
  }
}

export class RouterNetwork implements AsyncDisposable {
  /** The first three parts of all addresses. */
  readonly prefix: string
  readonly #bridge: string
  readonly #machines: Machine[] = []

  constructor() {
    const number = process.pid % 65_536
    this.prefix = `198.${18 + (number >> 15)}.${(number >> 7) & 0xff}`
    this.#bridge = `pd${process.pid}`
    ip('link', 'add', this.#bridge, 'type', 'bridge')
    ip('addr', 'add', `${this.address}/24`, 'dev', this.#bridge)
    ip('link', 'set', this.#bridge, 'up')
  }

  /** Of this machine. */
  get address(): string {
    return `${this.prefix}.1`
  }

  add(number: number): Machine {
    const name = `${this.#bridge}-${number}`
    const machine = new Machine(name, {
      address: `${this.prefix}.${number}`,
      cable: `${this.#bridge}v${number}`,
      bridge: this.#bridge,
    })
    this.#machines.push(machine)
    return machine
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#machines) await machine.end()
    ip('link', 'del', this.#bridge)
  }
}
