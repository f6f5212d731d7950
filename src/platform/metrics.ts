/**
 * Metrics of this process: counters, gauges and histograms with labels. `metrics-text.ts` writes them for Prometheus.
 *
 * A series is looked up once by its labels, and kept by whoever observes it: an observation is then a write or two to numbers
 * that are there already, and nothing is allocated (docs/decisions/0007-own-metrics.md has what that is worth).
 *
 * 1. A metric has at most `seriesMax` series. Labels beyond that share one series, in which each label is `other`.
 * 2. Counters and buckets of histograms never fall while their series is there.
 * 3. Gauges that have to be looked for are filled by `onCollect`, when somebody reads: nothing is walked in between.
 */

export type MetricKind = 'counter' | 'gauge' | 'histogram'

export interface MetricOptions<Label extends string = string> {
  /** Conventional: base units, and `_total` for counters. */
  readonly name: string
  /** One line, for people. */
  readonly help: string
  /** The suffix of the name that says so, such as `seconds`. Default: it has no unit. */
  readonly unit?: 'seconds' | 'bytes'
  readonly labels?: readonly Label[]
  /** Default 1,000. */
  readonly seriesMax?: number
}

export interface HistogramOptions<Label extends string = string> extends MetricOptions<Label> {
  /** Upper bounds of the buckets, inclusive and rising; what is above the last one is counted too. */
  readonly buckets: readonly number[]
}

/** The label of what shares a series because there are too many. */
export const OTHER = 'other'
const SERIES_MAX = 1000

export class Counter {
  value = 0

  /** @param count not negative */
  add(count = 1): void {
    this.value += count
  }
}

export class Gauge {
  value = 0

  set(value: number): void {
    this.value = value
  }

  add(change: number): void {
    this.value += change
  }
}

export class Histogram {
  readonly bounds: readonly number[]
  /** Observations of each bucket alone; the last one is for what is above all bounds. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** @param value not negative */
  observe(value: number): void {
    const { bounds, counts } = this
    let bucket = 0
    // Most of what is observed is in the first few: halving would not be faster.
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1
    counts[bucket] = (counts[bucket] ?? 0) + 1
    this.sum += value
  }
}

export type Series = Counter | Gauge | Histogram

/** A metric: all series of one name. */
export class Metric<S extends Series = Series> {
  readonly kind: MetricKind
  readonly name: string
  readonly help: string
  readonly unit: MetricOptions['unit']
  readonly labels: readonly string[]
  readonly #seriesMax: number
  readonly #make: () => S
  readonly #series = new Map<string, { readonly values: readonly string[]; readonly series: S }>()
  #other: S | undefined

  constructor(
    kind: MetricKind,
    { name, help, unit, labels = [], seriesMax = SERIES_MAX }: MetricOptions,
    make: () => S,
  ) {
    this.kind = kind
    this.name = name
    this.help = help
    this.unit = unit
    this.labels = labels
    this.#seriesMax = seriesMax
    this.#make = make
    // Without labels there is one series, which is there from the beginning.
    if (labels.length === 0) this.of()
  }

  /** The series with these values of the labels, in their order; made if it is not there. */
  of(...values: readonly string[]): S {
    if (values.length !== this.labels.length)
      throw new Error(
        `invariant: ${this.name} has the labels ${this.labels.join()}, ${values.length} were given`,
      )
    const text = values.join('\0')
    const known = this.#series.get(text)
    if (known !== undefined) return known.series
    if (this.#series.size >= this.#seriesMax) {
      this.#other ??= this.#make()
      return this.#other
    }
    const series = this.#make()
    this.#series.set(text, { values, series })
    return series
  }

  /** What it is about is gone. Whoever has the series may go on with it: nobody reads it any more. */
  remove(...values: readonly string[]): void {
    this.#series.delete(values.join('\0'))
  }

  /** Before it is filled anew. */
  clear(): void {
    this.#series.clear()
    this.#other = undefined
  }

  /** There were more labels than it has series. */
  get hasOverflowed(): boolean {
    return this.#other !== undefined
  }

  *all(): Iterable<{ readonly values: readonly string[]; readonly series: S }> {
    yield* this.#series.values()
    if (this.#other !== undefined) yield { values: this.labels.map(() => OTHER), series: this.#other }
  }
}

export interface GaugeRow {
  readonly values: readonly string[]
  readonly value: number
}

/**
 * Fills a gauge anew: the rows with the highest values have series of their own, the others share one.
 *
 * @param most rows that have their own
 * @param combine what the shared one shows of two. Default: their sum
 */
export function fillGauge(
  gauge: Metric<Gauge>,
  rows: readonly GaugeRow[],
  most: number,
  combine: (a: number, b: number) => number = (a, b) => a + b,
): void {
  gauge.clear()
  const ranked = rows.length > most ? rows.toSorted((a, b) => b.value - a.value) : rows
  for (const { values, value } of ranked.slice(0, most)) gauge.of(...values).set(value)
  const rest = ranked.slice(most).map(({ value }) => value)
  if (rest.length > 0) gauge.of(...gauge.labels.map(() => OTHER)).set(rest.reduce((a, b) => combine(a, b)))
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/

export class MetricsRegistry {
  readonly #metrics = new Map<string, Metric>()
  readonly #collectors: (() => void)[] = []

  constructor() {
    const overflows = this.gauge({
      name: 'perdure_metric_overflowed',
      help: 'A metric had more labels than it keeps series for: what was too much is in its series `other`.',
      labels: ['metric'],
    })
    this.onCollect(() => {
      for (const metric of this.#metrics.values()) if (metric.hasOverflowed) overflows.of(metric.name).set(1)
    })
  }

  counter(options: MetricOptions): Metric<Counter> {
    return this.#add(new Metric('counter', options, () => new Counter()))
  }

  gauge(options: MetricOptions): Metric<Gauge> {
    return this.#add(new Metric('gauge', options, () => new Gauge()))
  }

  histogram(options: HistogramOptions): Metric<Histogram> {
    const { buckets } = options
    if (buckets.length === 0 || buckets.some((bound, i) => !(bound > (buckets[i - 1] ?? 0))))
      throw new Error(`invariant: the buckets of ${options.name} do not rise from above 0`)
    return this.#add(new Metric('histogram', options, () => new Histogram(buckets)))
  }

  /** Called each time before the metrics are read. */
  onCollect(collect: () => void): void {
    this.#collectors.push(collect)
  }

  /** All metrics by name, after what fills them has been called. */
  collect(): readonly Metric[] {
    for (const collect of this.#collectors) collect()
    return this.list()
  }

  list(): readonly Metric[] {
    return [...this.#metrics.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #add<S extends Series>(metric: Metric<S>): Metric<S> {
    const { name, labels, unit, kind } = metric
    if (!NAME.test(name) || !labels.every((label) => LABEL.test(label)))
      throw new Error(`invariant: ${name} with the labels ${labels.join()} is no name of a metric`)
    if (this.#metrics.has(name)) throw new Error(`invariant: metric ${name} is there twice`)
    if ((kind === 'counter') !== name.endsWith('_total'))
      throw new Error(`invariant: counters, and nothing else, end in _total: ${name}`)
    if (unit !== undefined && !name.replace(/_total$/, '').endsWith(`_${unit}`))
      throw new Error(`invariant: the name of ${name} does not say ${unit}`)
    this.#metrics.set(name, metric)
    return metric
  }
}
