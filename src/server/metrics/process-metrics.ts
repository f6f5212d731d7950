/** The process of the engine: processor, memory, event loop. By the names that other programs on Node have for them. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Gauge, Metric, MetricsRegistry } from '../../platform/metrics.ts'

const RESOLUTION_MS = 10
const PERCENTILES = { p50: 50, p99: 99, max: 100 } as const

/** @returns what ends it: the event loop is not watched any more */
export function processMetrics(registry: MetricsRegistry): () => void {
  const cpu = registry.counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the process, of all its threads.',
    unit: 'seconds',
  })
  const began = registry.gauge({
    name: 'process_start_time_seconds',
    help: 'When the process was started, seconds since 1970.',
    unit: 'seconds',
  })
  began.of().set(performance.timeOrigin / 1000)
  const bytes = (name: string, help: string): Metric<Gauge> => registry.gauge({ name, help, unit: 'bytes' })
  const resident = bytes('process_resident_memory_bytes', 'Memory of the process that is in use.')
  const heapUsed = bytes('nodejs_heap_size_used_bytes', 'Of the heap of JavaScript, what is in use.')
  const heapTotal = bytes('nodejs_heap_size_total_bytes', 'The heap of JavaScript.')
  const limit = bytes('nodejs_heap_size_limit_bytes', 'What the heap of JavaScript may use.')
  limit.of().set(getHeapStatistics().heap_size_limit)
  const external = bytes(
    'nodejs_external_memory_bytes',
    'Memory of buffers and other objects outside of the heap.',
  )
  registry.onCollect(() => {
    const { user, system } = process.cpuUsage()
    cpu.of().value = (user + system) / 1e6
    const memory = process.memoryUsage()
    resident.of().set(memory.rss)
    heapUsed.of().set(memory.heapUsed)
    heapTotal.of().set(memory.heapTotal)
    external.of().set(memory.external)
  })
  return eventLoopMetrics(registry)
}

function eventLoopMetrics(registry: MetricsRegistry): () => void {
  const delay = registry.gauge({
    name: 'perdure_event_loop_delay_seconds',
    help: 'How late timers of the process were since the metrics were read last. Who reads at the same time shortens that time for the others.',
    unit: 'seconds',
    labels: ['level'],
  })
  const utilization = registry.gauge({
    name: 'perdure_event_loop_utilization_ratio',
    help: 'Share of the time since the metrics were read last in which the event loop did not wait: 0 to 1.',
  })
  const watch = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  watch.enable()
  let before = performance.eventLoopUtilization()
  registry.onCollect(() => {
    for (const [level, percentile] of Object.entries(PERCENTILES)) {
      const nanoseconds = watch.count === 0 ? 0 : watch.percentile(percentile)
      // A timer that is on time counts as its interval.
      delay.of(level).set(Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS) / 1000)
    }
    watch.reset()
    const now = performance.eventLoopUtilization()
    utilization.of().set(performance.eventLoopUtilization(now, before).utilization)
    before = now
  })
  return () => void watch.disable()
}
