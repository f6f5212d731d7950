/** `perdure history ID`: the events of a run, in order. */
import type { SequencedEvent } from '../protocol/event.ts'
import { COMMON_OPTIONS, type Command, type CommandCall, STORE_OPTIONS } from './command.ts'
import { DECRYPT_OPTIONS, decryptionOf } from './decryption.ts'
import { ENGINE_OPTIONS } from './engine-choice.ts'
import { eventDetails } from './event-text.ts'
import { EXECUTION_OPTIONS } from './execution-rows.ts'
import { withExecutionSource } from './executions/execution-source.ts'
import { type Column, Table } from './table.ts'
import { durationText, timeText } from './time-text.ts'

export const historyCommand: Command = {
  name: 'history',
  summary: 'Shows the events of an execution in order: when, how long after the one before, and what.',
  operands: ['ID'],
  options: {
    ...STORE_OPTIONS,
    ...ENGINE_OPTIONS,
    ...EXECUTION_OPTIONS,
    after: { value: 'SEQ', says: 'only events after this number' },
    ...DECRYPT_OPTIONS,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure history order-17', says: 'the newest run' },
    { line: 'perdure history order-17 --after 100', says: 'from event 101 on' },
    { line: 'perdure history order-17 --json | jq .event.type', says: 'full events, one per line' },
    { line: 'perdure history order-17 --decrypt keys/2026.pem', says: 'encrypted payloads too' },
  ],
  run: runHistory,
}

async function runHistory(call: CommandCall): Promise<number> {
  const { options, output } = call
  const after = options.count('after', 0) ?? 0
  const decryption = await decryptionOf(call)
  try {
    await withExecutionSource(call, async (source) => {
      const row = await source.find()
      const print = eventPrinter(call)
      const read = decryption?.reader(row.key)
      // The event before the first one shown, for its time; to decrypt, all: earlier ones name the children.
      const from = read === undefined ? Math.max(0, after - 1) : 0
      for await (const page of source.events(row, from)) {
        print(read === undefined ? page : await read(page), after)
        await output.flushed()
      }
    })
    return 0
  } finally {
    await decryption?.close()
  }
}

export type EventPrinter = (events: readonly SequencedEvent[], after: number) => void

/** A table, or with `--json` an object per line. */
export function eventPrinter(call: CommandCall): EventPrinter {
  return call.options.flag('json') ? jsonPrinter(call) : tablePrinter(call)
}

function jsonPrinter({ output }: CommandCall): EventPrinter {
  return (events, after) => {
    for (const each of events) if (each.seq > after) output.line(JSON.stringify(each))
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'SEQ', align: 'right' },
  { title: 'TIME' },
  { title: '+', align: 'right' },
  { title: 'EVENT' },
  { title: 'DETAILS', leastWidth: 10 },
]
/** The longest of each column but the first, so that no later page is wider. */
const LONGEST = ['', '00:00:00.000', '59m 59s', 'execution-terminated', ' '.repeat(1000)]
/** Later events have more digits. */
const LEAST_SEQ = 100
const DAY_TEXT = 'yyyy-mm-dd'.length

/** Days are told by a line of their own, which leaves more room for the details. */
function tablePrinter({ output }: CommandCall): EventPrinter {
  let table: Table | undefined
  let beforeMs: number | undefined
  let day = ''
  return (events, after) => {
    for (const { seq, event } of events) {
      const delta = beforeMs === undefined ? '' : durationText(event.at - beforeMs)
      beforeMs = event.at
      if (seq <= after) continue
      if (table === undefined) {
        const widest = String(Math.max(LEAST_SEQ, events.at(-1)?.seq ?? 0))
        table = new Table(COLUMNS, [[widest, ...LONGEST.slice(1)]], output)
        output.line(table.header())
      }
      const time = timeText(event.at, 'ms')
      if (time.slice(0, DAY_TEXT) !== day) {
        day = time.slice(0, DAY_TEXT)
        output.line(output.paint('dim', day))
      }
      const clock = time.slice(DAY_TEXT + 1)
      output.line(table.row([String(seq), clock, delta, event.type, eventDetails(event)]))
    }
  }
}
