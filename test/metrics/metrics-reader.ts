/** Metrics as a test looks at them: read from the text that a reader gets. */
import type { Engine } from '../../src/index.ts'

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const PAIR = /([a-zA-Z_]+)="((?:[^"\\]|\\.)*)",?/g

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export function samplesOf(text: string): readonly Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, pairs = '', value] = LINE.exec(line) ?? []
      if (name === undefined) throw new Error(`no sample: ${line}`)
      const labels = Object.fromEntries([...pairs.matchAll(PAIR)].map(([, label, text]) => [label, text]))
      return { name, labels, value: Number(String(value).replace('Inf', 'Infinity')) }
    })
}

/** The sum of all samples with this name and these labels; undefined: there is none. */
export function metricOf(
  engine: Pick<Engine, 'metricsText'>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found = samplesOf(engine.metricsText().text).filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}
