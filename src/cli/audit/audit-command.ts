/** `perdure audit`: what was recorded of calls, in a store or at an engine; its export, and whether it is whole. */
import type { SignedHead } from '../../protocol/audit.ts'
import { auditItems } from '../../server/audit/audit-item.ts'
import { EXPORT_HEADER, lineOf } from '../../server/audit/audit-lines.ts'
import { present } from '../../server/http/present.ts'
import { actionCommand } from '../action-command.ts'
import { type CommandCall, STORE_OPTIONS } from '../command.ts'
import { ENGINE_OPTIONS } from '../engine-choice.ts'
import { LIST_OPTIONS } from '../given-values.ts'
import { printDone, printPages } from '../printed-rows.ts'
import { isMeant, MANY_OPTIONS } from '../rest/counted.ts'
import { overRest, type Rest } from '../rest/rest.ts'
import { timeText } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'
import { EXPORT, trailOf, withReader } from './audit-source.ts'
import { listAction } from './list-action.ts'
import { verifyAction } from './verify-action.ts'

const DEFAULT_LIMIT = 100

export const auditCommand = actionCommand({
  name: 'audit',
  summary:
    'Lists what was recorded of calls, exports it, verifies that nobody has changed it, and erases who is named in it.',
  usual: 'list',
  shared: {
    ...ENGINE_OPTIONS,
    namespace: {
      value: 'NAME',
      says: 'list, erase: only this namespace; default: all, whatever else names one',
    },
  },
  actions: {
    list: listAction,
    heads: {
      operands: [],
      says: 'signed heads, the newest first',
      looks: true,
      options: { ...STORE_OPTIONS, ...LIST_OPTIONS },
      run: heads,
    },
    export: {
      operands: [],
      says: 'all of it, as JSON lines that verify takes',
      options: STORE_OPTIONS,
      run: exportAll,
    },
    verify: verifyAction,
    erase: {
      operands: [],
      says: 'of an engine: erases a person, or an execution; action, time, namespace and result stay',
      options: {
        person: { value: 'ID', says: 'who called, such as key:ID, or has acted on human tasks' },
        execution: { value: 'ID', says: 'what calls were about' },
        yes: MANY_OPTIONS.yes,
      },
      run: overRest(erase),
    },
  },
  examples: [
    { line: 'perdure audit --store sqlite:./orders.db --since 1d', says: 'who did what since yesterday' },
    {
      line: 'perdure audit heads --limit 1 --json > head.json',
      says: 'the newest signed head, to be kept elsewhere',
    },
    { line: 'perdure audit export --url wss://perdure.example > audit.jsonl', says: 'all of it' },
    {
      line: 'perdure audit verify audit.jsonl --public-key audit-key.pem.pub --head head.json',
      says: 'of a file; without a file of a store or an engine',
    },
    { line: 'perdure audit erase --person key:7Q2M', says: 'counts; --yes does it' },
  ],
})

async function exportAll(call: CommandCall): Promise<number> {
  const { output } = call
  const rest = trailOf(call)
  if (rest !== undefined) {
    let left = ''
    for await (const piece of rest.text(...EXPORT)) {
      const lines = (left + piece).split('\n')
      left = lines.pop() ?? ''
      for (const line of lines) output.line(line)
      await output.flushed()
    }
    if (left !== '') throw new Error('the export was cut off: it is none')
    return 0
  }
  await withReader(call, async (reader) => {
    output.line(EXPORT_HEADER)
    for await (const item of auditItems(reader)) {
      output.line(lineOf(item))
      await output.flushed()
    }
  })
  return 0
}

async function heads(call: CommandCall): Promise<number> {
  const { options, output } = call
  const limit = options.count('limit', 1) ?? DEFAULT_LIMIT
  const rest = trailOf(call)
  if (rest === undefined && options.text('cursor') !== undefined)
    throw new UsageError('--cursor is not for the heads of a store', 'Use a larger --limit.')
  const pages =
    rest === undefined
      ? [await withReader(call, (reader) => reader.auditHeads({ newestFirst: true, limit }))]
      : rest.pages<SignedHead>(call, { path: ['audit', 'heads'], isEverywhere: true }, 'heads')
  if (options.flag('json')) {
    // Canonical, as `verify --head` takes it.
    for await (const page of pages) for (const head of page) output.line(lineOf({ kind: 'head', head }))
    return 0
  }
  await printPages(call, pages, {
    fields: [
      { title: 'HEAD', align: 'right', of: ({ number }) => number },
      { title: 'SIGNED', of: ({ atMs }) => timeText(atMs) },
      { title: 'KEY', of: ({ keyId }) => keyId },
    ],
    none: 'No signed heads.',
  })
  return 0
}

async function erase(call: CommandCall, rest: Rest): Promise<number> {
  const { options } = call
  const person = options.text('person')
  const workflowId = options.text('execution')
  if (person === undefined && workflowId === undefined)
    throw new UsageError('it is not said whom or what to erase', 'Name --person, --execution, or both.')
  const namespace = options.text('namespace')
  const isToBeDone = await isMeant(call, rest, {
    request: {
      path: ['audit'],
      query: present({ person, resource: workflowId, namespace }),
      isEverywhere: true,
    },
    field: 'rows',
    wouldBe: `rows would be erased of whom and what they name, ${namespace === undefined ? 'in all namespaces' : `in namespace ${namespace}`}`,
    isFiltered: true,
  })
  if (!isToBeDone) return 0
  const erased = await rest.ask<{ readonly rows: number }>({
    method: 'POST',
    path: ['audit', 'erasures'],
    query: present({ namespace }),
    body: present({ person, workflowId }),
    isEverywhere: true,
    waitMs: 300_000,
  })
  printDone(call, erased, `${erased.rows} rows were erased of whom and what they name`)
  return 0
}
