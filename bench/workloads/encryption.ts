/** What it costs to encrypt payloads. */
import { type EncryptionCosts, type EncryptionWhat, PAYLOAD_BYTES } from '../encryption-cost.ts'
import { median } from '../result.ts'
import { markdownTable, numberText, type TableOptions, type TableWorkload } from './table-workload.ts'
import { taskAnswer } from './workload.ts'

interface EncryptionRow {
  readonly workload: 'encryption'
  readonly what: EncryptionWhat
  readonly figures: EncryptionCosts
}

const WHATS: readonly EncryptionWhat[] = ['payloads', 'keys', 'steps']
const LOOP_MS = 500

export const encryption: TableWorkload<EncryptionRow> = {
  name: 'encryption',
  about:
    'microseconds of CPU time to encrypt and decrypt a payload of 100 bytes, 4 KiB and 64 KiB, beside encoding it; to wrap and unwrap a key; steps/s in memory with encryption and without',
  rows: async function* (options) {
    for (const what of WHATS) yield await measure(options, what)
  },
  tableOf: (rows) => rows.map(tableOfRow).join('\n\n'),
}

function tableOfRow({ what, figures }: EncryptionRow): string {
  const figure = (name: string): string => {
    const value = figures[name] ?? Number.NaN
    return value < 100 ? value.toFixed(1) : numberText(Math.round(value))
  }
  if (what === 'payloads') {
    const kinds = ['encode', 'encrypt', 'decrypt', 'decode', 'bytes']
    const lines = PAYLOAD_BYTES.map((bytes) => [
      numberText(bytes),
      ...kinds.map((kind) => figure(`${kind} ${bytes}`)),
    ])
    const [encode = '', encrypt = '', decrypt = '', decode = ''] = kinds.map((kind) => `${kind}, µs`)
    return markdownTable(
      ['bytes; µs of CPU time', encode, encrypt, decrypt, decode, 'bytes encrypted'],
      lines,
    )
  }
  if (what === 'steps') {
    const share = ((figures.on ?? 0) / (figures.off ?? Number.NaN)).toFixed(2)
    return markdownTable(
      ['64 in flight, in memory', 'steps/s', 'of those without'],
      [
        ['without encryption', figure('off'), ''],
        ['with', figure('on'), share],
      ],
    )
  }
  return markdownTable(
    ['key', 'µs of CPU time'],
    Object.keys(figures).map((name) => [name, figure(name)]),
  )
}

async function measure(options: TableOptions, what: EncryptionWhat): Promise<EncryptionRow> {
  options.progress(`encryption, ${what}`)
  const loopMs = options.isQuick ? LOOP_MS / 20 : LOOP_MS
  const rounds: EncryptionCosts[] = []
  for (let round = 0; round < options.rounds; round++)
    rounds.push(await taskAnswer(options, 'encryption-costs', { what, loopMs }))
  const names = Object.keys(rounds[0] ?? {})
  const figures = names.map((name) => [name, median(rounds.map((each) => each[name] ?? Number.NaN))])
  return { workload: 'encryption', what, figures: Object.fromEntries(figures) }
}
