/**
 * Metrics as text, for Prometheus and whatever reads its formats: its text format 0.0.4, and OpenMetrics 1.0 for those that
 * ask for it. The numbers are the same in both.
 */
import { Histogram, type Metric, type MetricsRegistry } from './metrics.ts'

export interface MetricsText {
  /** For the header `content-type`. */
  readonly contentType: string
  readonly text: string
}

const PLAIN = 'text/plain; version=0.0.4; charset=utf-8'
const OPEN = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/** @param accept the header `accept` of who asks. Default: the text format of Prometheus */
export function metricsText(registry: MetricsRegistry, accept = ''): MetricsText {
  const isOpen = wantsOpenMetrics(accept)
  const lines: string[] = []
  for (const metric of registry.collect()) writeMetric(lines, metric, isOpen)
  if (isOpen) lines.push('# EOF')
  return { contentType: isOpen ? OPEN : PLAIN, text: lines.map((line) => `${line}\n`).join('') }
}

/** Not less than plain text: RFC 9110, 12.5.1. */
function wantsOpenMetrics(accept: string): boolean {
  let open = 0
  let plain = 0
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const given = parameters.find((parameter) => parameter.startsWith('q='))
    const quality = given === undefined ? 1 : Number(given.slice(2)) || 0
    const version = parameters.find((parameter) => parameter.startsWith('version='))?.slice('version='.length)
    if (type === 'application/openmetrics-text' && (version === undefined || version.startsWith('1.')))
      open = Math.max(open, quality)
    else if (type === 'text/plain') plain = Math.max(plain, quality)
  }
  return open > 0 && open >= plain
}

function writeMetric(lines: string[], metric: Metric, isOpen: boolean): void {
  const { name, kind, help, unit, labels } = metric
  // OpenMetrics names the family without the suffix of its samples.
  const family = isOpen ? name.replace(/_total$/, '') : name
  const all = [...metric.all()]
  if (all.length === 0) return
  lines.push(`# HELP ${family} ${escapedHelp(help, isOpen)}`, `# TYPE ${family} ${kind}`)
  if (isOpen && unit !== undefined) lines.push(`# UNIT ${family} ${unit}`)
  for (const { values, series } of all) {
    const pairs = labels.map((label, i) => `${label}="${escapedLabel(values[i] ?? '')}"`).join()
    if (series instanceof Histogram) writeHistogram(lines, name, pairs, series)
    else lines.push(`${name}${pairs === '' ? '' : `{${pairs}}`} ${numberText(series.value)}`)
  }
}

function writeHistogram(
  lines: string[],
  name: string,
  pairs: string,
  { bounds, counts, sum }: Histogram,
): void {
  const before = pairs === '' ? '' : `${pairs},`
  let count = 0
  for (let bucket = 0; bucket < counts.length; bucket++) {
    count += counts[bucket] ?? 0
    const bound = bounds[bucket]
    const le = bound === undefined ? '+Inf' : boundText(bound)
    lines.push(`${name}_bucket{${before}le="${le}"} ${count}`)
  }
  const labels = pairs === '' ? '' : `{${pairs}}`
  lines.push(`${name}_sum${labels} ${numberText(sum)}`, `${name}_count${labels} ${count}`)
}

/** As OpenMetrics writes numbers in labels, so that the series is the same one in both formats. */
function boundText(bound: number): string {
  const text = String(bound)
  return /^\d+$/.test(text) ? `${text}.0` : text
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

function escapedHelp(text: string, isOpen: boolean): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return isOpen ? escaped.replaceAll('"', '\\"') : escaped
}

function escapedLabel(text: string): string {
  if (!/[\\"\n]/.test(text)) return text
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
