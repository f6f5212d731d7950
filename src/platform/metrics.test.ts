import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fillGauge, MetricsRegistry } from './metrics.ts'
import { metricsText } from './metrics-text.ts'

const OPEN = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
const PLAIN = 'text/plain; version=0.0.4; charset=utf-8'

function textOf(registry: MetricsRegistry, accept?: string): string {
  const { text } = metricsText(registry, accept)
  return text
}

describe('metrics', () => {
  test('counters, gauges and histograms as text', () => {
    const registry = new MetricsRegistry()
    const started = registry.counter({ name: 'started_total', help: 'Starts.', labels: ['workflow'] })
    started.of('b').add()
    started.of('a').add(2)
    started.of('b').add(0.5)
    const open = registry.gauge({ name: 'open', help: 'Open ones.' }).of()
    open.set(3)
    open.add(-1)
    const time = registry.histogram({
      name: 'run_seconds',
      help: 'Time.',
      unit: 'seconds',
      buckets: [0.1, 1, 2.5],
    })
    for (const seconds of [0.05, 0.1, 0.2, 1, 2, 100]) time.of().observe(seconds)
    assert.equal(
      textOf(registry),
      `# HELP open Open ones.
# TYPE open gauge
open 2
# HELP run_seconds Time.
# TYPE run_seconds histogram
run_seconds_bucket{le="0.1"} 2
run_seconds_bucket{le="1.0"} 4
run_seconds_bucket{le="2.5"} 5
run_seconds_bucket{le="+Inf"} 6
run_seconds_sum 103.35
run_seconds_count 6
# HELP started_total Starts.
# TYPE started_total counter
started_total{workflow="b"} 1.5
started_total{workflow="a"} 2
`,
    )
  })

  test('OpenMetrics for those that prefer it: other names of families, units, an end', () => {
    const registry = new MetricsRegistry()
    registry.counter({ name: 'busy_seconds_total', help: 'Say "busy".', unit: 'seconds' }).of().add(7)
    const { contentType, text } = metricsText(
      registry,
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1',
    )
    assert.equal(contentType, OPEN)
    assert.equal(
      text,
      `# HELP busy_seconds Say \\"busy\\".
# TYPE busy_seconds counter
# UNIT busy_seconds seconds
busy_seconds_total 7
# EOF
`,
    )
  })

  const accepts: [accept: string | undefined, contentType: string][] = [
    [undefined, PLAIN],
    ['', PLAIN],
    ['*/*', PLAIN],
    ['text/html, */*;q=0.8', PLAIN],
    ['application/openmetrics-text', OPEN],
    ['APPLICATION/OpenMetrics-Text; Version=1.0.0', OPEN],
    ['application/openmetrics-text;version=0.0.1', PLAIN],
    ['application/openmetrics-text;q=0', PLAIN],
    ['text/plain;q=0.9, application/openmetrics-text;q=0.3', PLAIN],
    ['text/plain;q=0.3, application/openmetrics-text;q=0.9', OPEN],
    ['application/openmetrics-text;q=no', PLAIN],
  ]
  for (const [accept, contentType] of accepts)
    test(`accept: ${accept}`, () =>
      assert.equal(metricsText(new MetricsRegistry(), accept).contentType, contentType))

  test('labels are escaped', () => {
    const registry = new MetricsRegistry()
    registry
      .gauge({ name: 'x', help: 'a\\b\nc', labels: ['queue'] })
      .of('a "q"\\\n')
      .set(1)
    assert.match(textOf(registry), /^# HELP x a\\\\b\\nc$/m)
    assert.match(textOf(registry), /^x\{queue="a \\"q\\"\\\\\\n"\} 1$/m)
  })

  test('numbers that are none', () => {
    const registry = new MetricsRegistry()
    const gauge = registry.gauge({ name: 'x', help: 'X.', labels: ['of'] })
    gauge.of('a').set(Number.POSITIVE_INFINITY)
    gauge.of('b').set(Number.NEGATIVE_INFINITY)
    gauge.of('c').set(Number.NaN)
    gauge.of('d').set(1e21)
    assert.match(
      textOf(registry),
      /x\{of="a"\} \+Inf\nx\{of="b"\} -Inf\nx\{of="c"\} NaN\nx\{of="d"\} 1e\+21\n/,
    )
  })

  test('beyond its bound all labels share a series, and the metric is told of', () => {
    const registry = new MetricsRegistry()
    const metric = registry.counter({ name: 'x_total', help: 'X.', labels: ['a', 'b'], seriesMax: 2 })
    for (const a of ['1', '2', '3', '4']) metric.of(a, 'b').add()
    metric.of('1', 'b').add()
    assert.match(
      textOf(registry),
      /x_total\{a="1",b="b"\} 2\nx_total\{a="2",b="b"\} 1\nx_total\{a="other",b="other"\} 2\n/,
    )
    assert.match(textOf(registry), /perdure_metric_overflowed\{metric="x_total"\} 1/)
    // One that is gone makes room.
    metric.remove('1', 'b')
    metric.of('5', 'b').add()
    assert.match(textOf(registry), /x_total\{a="5",b="b"\} 1/)
  })

  test('a gauge that is filled shows the highest, and the rest together', () => {
    const registry = new MetricsRegistry()
    const gauge = registry.gauge({ name: 'x', help: 'X.', labels: ['queue'] })
    const rows = [3, 1, 9, 5].map((value) => ({ values: [`q${value}`], value }))
    fillGauge(gauge, rows, 2)
    assert.match(textOf(registry), /gauge\nx\{queue="q9"\} 9\nx\{queue="q5"\} 5\nx\{queue="other"\} 4\n$/)
    fillGauge(gauge, rows, 2, Math.max)
    assert.match(textOf(registry), /x\{queue="other"\} 3\n$/)
    fillGauge(gauge, rows.slice(0, 2), 2)
    assert.match(textOf(registry), /gauge\nx\{queue="q3"\} 3\nx\{queue="q1"\} 1\n$/)
    fillGauge(gauge, [], 2)
    assert.equal(textOf(registry), '')
  })

  test('what fills gauges is called for each reader', () => {
    const registry = new MetricsRegistry()
    const gauge = registry.gauge({ name: 'x', help: 'X.' })
    registry.onCollect(() => gauge.of().add(1))
    textOf(registry)
    assert.match(textOf(registry), /^x 2$/m)
  })

  test('names and labels that are none are faults of the program', () => {
    const registry = new MetricsRegistry()
    registry.gauge({ name: 'x', help: 'X.' })
    assert.throws(() => registry.gauge({ name: 'x', help: 'X.' }), /there twice/)
    assert.throws(() => registry.gauge({ name: 'x y', help: 'X.' }), /no name/)
    assert.throws(() => registry.gauge({ name: 'y', help: 'X.', labels: ['__a'] }), /no name/)
    assert.throws(() => registry.counter({ name: 'y', help: 'X.' }), /_total/)
    assert.throws(() => registry.gauge({ name: 'y_total', help: 'X.' }), /_total/)
    assert.throws(() => registry.gauge({ name: 'y', help: 'X.', unit: 'seconds' }), /does not say seconds/)
    assert.throws(() => registry.histogram({ name: 'y', help: 'X.', buckets: [1, 1] }), /do not rise/)
    assert.throws(() => registry.histogram({ name: 'y', help: 'X.', buckets: [0] }), /do not rise/)
    assert.throws(
      () => registry.counter({ name: 'z_total', help: 'X.', labels: ['a'] }).of(),
      /has the labels a/,
    )
  })
})
