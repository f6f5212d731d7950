/** The program `perdure`: finds the command, runs it, and turns what goes wrong into words and an exit code. */
import { readFileSync } from 'node:fs'
import { PerdureError } from '../protocol/errors.ts'
import { hasPassword, isPostgresUrl } from '../store/postgres/postgres-url.ts'
import { accessCommand } from './access/access-command.ts'
import { namespacesCommand } from './access/namespaces-command.ts'
import { auditCommand } from './audit/audit-command.ts'
import { eventsCommand } from './automation/events-command.ts'
import { webhooksCommand } from './automation/webhooks-command.ts'
import { type Command, type CommandCall, type GivenOptions, parseCommandLine } from './command.ts'
import { completionCommandOf } from './completion/completion-command.ts'
import { devCommand } from './dev/dev-command.ts'
import { printable, wrap } from './display-width.ts'
import { doctorCommand } from './doctor/doctor-command.ts'
import { bulkCommand } from './executions/bulk-command.ts'
import {
  cancelCommand,
  deleteCommand,
  queryCommand,
  resultCommand,
  retryCommand,
  signalCommand,
  terminateCommand,
  updateCommand,
} from './executions/execution-commands.ts'
import { runCommand } from './executions/run-command.ts'
import { watchCommand } from './executions/watch-command.ts'
import { commandHelp, programHelp } from './help-text.ts'
import { historyCommand } from './history-command.ts'
import { lbConfigCommand } from './lb-config/lb-config-command.ts'
import { listCommand } from './list-command.ts'
import { nearestWord } from './nearest-word.ts'
import { nodesCommand, shardsCommand } from './nodes-command.ts'
import { Output, OutputClosedError, type OutputOptions } from './output.ts'
import { peopleCommand } from './people-command.ts'
import { profileCommand } from './profiles/profile-command.ts'
import { queuesCommand } from './queues-command.ts'
import { schedulesCommand } from './schedules/schedules-command.ts'
import { showCommand } from './show-command.ts'
import { startCommand } from './start/start-command.ts'
import { tasksCommand } from './tasks/tasks-command.ts'
import { UsageError } from './usage-error.ts'
import { watched } from './watching.ts'
import { workersCommand } from './workers-command.ts'

export interface ProgramHost extends OutputOptions {
  readonly directory: string
  readonly nowMs: number
  readonly stdin?: CommandCall['stdin']
}

export const EXIT_FINE = 0
export const EXIT_ERROR = 1
export const EXIT_USAGE = 2

export const COMMANDS: readonly Command[] = [
  startCommand,
  devCommand,
  listCommand,
  showCommand,
  historyCommand,
  runCommand,
  resultCommand,
  watchCommand,
  signalCommand,
  queryCommand,
  updateCommand,
  cancelCommand,
  terminateCommand,
  retryCommand,
  deleteCommand,
  bulkCommand,
  tasksCommand,
  schedulesCommand,
  queuesCommand,
  peopleCommand,
  workersCommand,
  nodesCommand,
  shardsCommand,
  lbConfigCommand,
  auditCommand,
  accessCommand,
  namespacesCommand,
  eventsCommand,
  webhooksCommand,
  profileCommand,
  completionCommandOf(() => COMMANDS),
  doctorCommand,
]

/** Runs one command line; resolves to the exit code, and never rejects. */
export async function runProgram(args: readonly string[], host: ProgramHost): Promise<number> {
  const output = new Output(host)
  const command = COMMANDS.find(({ name }) => name === args[0])
  try {
    if (command === undefined) return runWithoutCommand(args, output)
    const { options, operands } = parseCommandLine(command, args.slice(1))
    if (options.flag('help')) {
      output.line(commandHelp(command, output.width))
      return EXIT_FINE
    }
    refusePasswords(options, operands)
    const { env, directory, nowMs, stdin } = host
    const call = { options, operands, output, env, directory, nowMs, stdin }
    if (options.flag('watch')) return await watched(call, ['perdure', ...args].join(' '), command)
    return await command.run(call)
  } catch (error) {
    if (error instanceof OutputClosedError) return EXIT_FINE
    return tellError(error, { command, output, isDebug: host.env.PERDURE_DEBUG === '1' })
  }
}

/** Whatever the command does with it. */
function refusePasswords(options: GivenOptions, operands: readonly string[]): void {
  const named = ['store', 'read-store', 'data-keys'].flatMap((name) => options.texts(name))
  const urls = [...named, ...operands]
  if (urls.some((url) => isPostgresUrl(url) && hasPassword(url)))
    throw new UsageError(
      'a password on the command line is seen by everybody on the machine',
      'Put it into PGPASSWORD, into a file named by PGPASSFILE (or --password-file of perdure start), or the whole URL into PERDURE_STORE (PERDURE_READ_STORE, PERDURE_DATA_KEYS).',
    )
}

function runWithoutCommand([word, topic]: readonly string[], output: Output): number {
  switch (word) {
    case '--version':
    case '-v':
      output.line(version())
      return EXIT_FINE
    case 'help':
    case '--help':
    case '-h': {
      const command = COMMANDS.find(({ name }) => name === topic)
      output.line(
        command === undefined ? programHelp(COMMANDS, output.width) : commandHelp(command, output.width),
      )
      return EXIT_FINE
    }
    case undefined:
      output.note(programHelp(COMMANDS, output.width))
      return EXIT_USAGE
  }
  const names = COMMANDS.map(({ name }) => name)
  if (word.startsWith('-'))
    throw new UsageError(`'${word}' stands before the command`, `Commands: ${names.join(', ')}.`)
  const nearest = nearestWord(word, names)
  throw new UsageError(
    `there is no command '${word}'`,
    nearest === undefined ? `Commands: ${names.join(', ')}.` : `Did you mean ${nearest}?`,
  )
}

interface Telling {
  readonly command: Command | undefined
  readonly output: Output
  readonly isDebug: boolean
}

function tellError(error: unknown, { command, output, isDebug }: Telling): number {
  const message = error instanceof Error ? error.message : String(error)
  for (const line of wrap(printable(`perdure: ${message}`), output.width)) output.note(line)
  if (error instanceof UsageError) {
    if (error.remedy !== undefined) output.note(error.remedy)
    output.note(`See perdure ${command === undefined ? '' : `${command.name} `}--help`)
    return EXIT_USAGE
  }
  if (isDebug) output.note(stackOf(error))
  else if (!(error instanceof PerdureError)) output.note('PERDURE_DEBUG=1 shows where this happened.')
  return EXIT_ERROR
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by: ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}

function version(): string {
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return manifest.version
}
