/** `perdure audit verify`: whether the trail of a store, of an engine or of a file is as it was written. */
import { createReadStream, openSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SignedHead } from '../../protocol/audit.ts'
import { auditItems } from '../../server/audit/audit-item.ts'
import { headOf, LinesReader } from '../../server/audit/audit-lines.ts'
import { type AuditReport, AuditVerification } from '../../server/audit/audit-verification.ts'
import { publicKeys } from '../../server/audit/signing-key.ts'
import type { Action } from '../action-command.ts'
import { type CommandCall, STORE_OPTIONS } from '../command.ts'
import { counted } from '../counted.ts'
import { printable } from '../display-width.ts'
import { isoTime } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'
import { EXPORT, trailOf, withReader } from './audit-source.ts'

const KEY_REMEDY =
  'The engine writes it beside the key that signs, as FILE.pub. --unsigned goes without: then heads may be anybody’s.'

export const verifyAction: Action = {
  operands: ['[FILE]'],
  says: 'that nobody has changed it: of a file that was exported, a store or an engine',
  options: {
    ...STORE_OPTIONS,
    'public-key': { value: 'FILE', says: 'PEM of the keys that sign; needed' },
    head: { value: 'FILE', says: 'a head that `audit heads --json` has printed, and was kept elsewhere' },
    unsigned: { says: 'without a look at signatures' },
  },
  run: verify,
}

async function verify(call: CommandCall): Promise<number> {
  const [file] = call.operands
  const { options, directory, output } = call
  const keyFile = options.text('public-key')
  if (keyFile === undefined && !options.flag('unsigned'))
    throw new UsageError('--public-key is missing', KEY_REMEDY)
  const keys = keyFile === undefined ? undefined : publicKeys(resolve(directory, keyFile))
  const kept = options.text('head')
  const exported = kept === undefined ? undefined : readable(kept, () => keptHead(resolve(directory, kept)))
  const verification = new AuditVerification({ keys })
  const rest = file === undefined ? trailOf(call) : undefined
  if (file !== undefined) await readLines(linesOf(resolve(directory, file), file), verification)
  else if (rest !== undefined) await readLines(rest.text(...EXPORT), verification)
  else
    await withReader(call, async (reader) => {
      for await (const item of auditItems(reader)) verification.take(item)
    })
  const report = verification.finish(exported)
  if (options.flag('json')) output.line(JSON.stringify({ ...report, signatures: keys !== undefined }))
  else tell(call, report, keys !== undefined)
  return report.isWhole ? 0 : 1
}

/** @param name as it was given */
function linesOf(path: string, name: string): AsyncIterable<unknown> {
  const fd = readable(name, () => openSync(path, 'r'))
  return createReadStream(path, { encoding: 'utf8', fd })
}

/** Exit code 1 would say that the trail was changed. @throws UsageError: the file cannot be read */
function readable<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

async function readLines(pieces: AsyncIterable<unknown>, verification: AuditVerification): Promise<void> {
  const reader = new LinesReader(verification)
  for await (const piece of pieces) reader.take(String(piece))
  reader.end()
}

function keptHead(file: string): SignedHead {
  const [line = ''] = readFileSync(file, 'utf8').split('\n')
  const head = headOf(line)
  if (head === undefined)
    throw new UsageError(
      `${file} has no signed head in its first line`,
      'perdure audit heads --limit 1 --json',
    )
  return head
}

function tell({ output }: CommandCall, report: AuditReport, isSigned: boolean): void {
  const { rows, chains, newest, unsigned, erased, findings, found } = report
  for (const { detail, session, seq, head } of findings) {
    const where =
      session === undefined ? (head === undefined ? '' : `head ${head}: `) : `row ${session}/${seq}: `
    output.line(printable(`${where}${detail}`))
  }
  if (found > findings.length) output.line(`and ${found - findings.length} more`)
  // Then nothing else was found: it may be new, or all of it may have been deleted.
  const isUnproven = isSigned && newest === undefined && found === 1
  output.line(
    report.isWhole
      ? `The trail is whole: ${counted(rows, 'row')} in ${counted(chains, 'chain')}.`
      : isUnproven
        ? `Nothing shows that the trail is whole: ${counted(rows, 'row')} in ${counted(chains, 'chain')}.`
        : `The trail was changed: ${counted(found, 'finding')} in ${counted(rows, 'row')}.`,
  )
  if (newest !== undefined)
    output.line(
      `Head ${newest.number}, of ${isoTime(newest.atMs)}, is the newest. ${counted(unsigned, 'row')} came after.`,
    )
  else if (!isSigned) output.line('No head is signed: nothing shows whether rows at the end were cut off.')
  if (erased > 0) output.line(`Of ${counted(erased, 'row')} it was erased who called.`)
  if (!isSigned) output.note('Signatures were not looked at.')
}
