/** How busy this process is, since it was asked last. */
import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface ProcessLoad {
  /** 0 to 1, of the cores it may use. */
  readonly cpu: number
  /** Mean delay of timers, ms. */
  readonly eventLoopDelayMs: number
  /** 0 to 1, of the memory it may use. */
  readonly memory: number
  /** 0 to 1: the share of time in which the busiest disk of the machine was busy; 0 where the system does not tell. */
  readonly diskIo: number
}

export interface LoadProbe {
  read(): ProcessLoad
  stop(): void
}

/** Field of `/proc/diskstats`: ms in which the disk was busy. */
const BUSY_FIELD = 12
const RESOLUTION_MS = 10

export function loadProbe(): LoadProbe {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  let cpu = process.cpuUsage()
  let at = performance.now()
  let disks = diskBusyMs()
  return {
    read: () => {
      const used = process.cpuUsage(cpu)
      const now = performance.now()
      const passedMs = Math.max(1, now - at)
      const busy = diskBusyMs()
      const disk = Math.max(0, ...[...busy].map(([name, ms]) => ms - (disks.get(name) ?? ms)))
      // A timer of 10 ms that is on time counts as 10 ms.
      const delayMs = Number.isFinite(delay.mean) ? Math.max(0, delay.mean / 1e6 - RESOLUTION_MS) : 0
      cpu = process.cpuUsage()
      at = now
      disks = busy
      delay.reset()
      return {
        cpu: share((used.user + used.system) / 1000 / passedMs / availableParallelism()),
        eventLoopDelayMs: delayMs,
        memory: share(process.memoryUsage.rss() / memoryBytes(process.constrainedMemory(), totalmem())),
        diskIo: share(disk / passedMs),
      }
    },
    stop: () => void delay.disable(),
  }
}

/** What the process may use. Without a limit the system tells 0, or a number close to 2^64. */
export function memoryBytes(limitBytes: number, machineBytes: number): number {
  return limitBytes > 0 && limitBytes < machineBytes ? limitBytes : machineBytes
}

function diskBusyMs(): ReadonlyMap<string, number> {
  let lines: readonly string[]
  try {
    lines = readFileSync('/proc/diskstats', 'utf8').split('\n')
  } catch {
    // Not Linux, or not to be read by this process.
    return new Map()
  }
  return new Map(
    lines.flatMap((line) => {
      const fields = line.trim().split(/\s+/)
      const name = fields[2]
      const ms = Number(fields[BUSY_FIELD])
      return name === undefined || !Number.isFinite(ms) ? [] : [[name, ms] as const]
    }),
  )
}

function share(value: number): number {
  return Math.min(1, Math.max(0, value))
}
