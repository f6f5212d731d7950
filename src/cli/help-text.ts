/** `--help`: usage, what it does, options, examples. */
import type { Command, OptionSpec } from './command.ts'
import { padTo, wrap } from './display-width.ts'

const HELP_WIDTH_LIMIT = 100

export function commandHelp(command: Command, width: number): string {
  const text = Math.min(width, HELP_WIDTH_LIMIT)
  return [
    `Usage: perdure ${[command.name, ...command.operands].join(' ')} [options]`,
    '',
    ...wrap(command.summary, text),
    '',
    ...(command.actions === undefined
      ? []
      : [
          'Actions:',
          ...twoColumns(
            command.actions.map(({ usage, says }) => [usage, says]),
            text,
          ),
          '',
        ]),
    'Options:',
    ...twoColumns(Object.entries(command.options).map(optionRow), text),
    '',
    'Examples:',
    ...command.examples.flatMap(({ line, says }) => [`  ${line}`, ...indented(says, text)]),
  ].join('\n')
}

export function programHelp(commands: readonly Command[], width: number): string {
  const text = Math.min(width, HELP_WIDTH_LIMIT)
  return [
    'Usage: perdure COMMAND [options]',
    '',
    ...wrap(
      'Runs an engine (perdure start, perdure dev), talks to one that runs, and looks into its store, a SQLite file or a PostgreSQL database, also while engines run on it. A store that is looked into is never written.',
      text,
    ),
    '',
    'Commands:',
    ...twoColumns(
      commands.map(({ name, operands, summary }) => [[name, ...operands].join(' '), summary]),
      text,
    ),
    '',
    'Options:',
    ...twoColumns(
      [
        ['-h, --help', 'this help; after a command: the help of that command'],
        ['--version', 'the version of perdure'],
      ],
      text,
    ),
    '',
    'Environment:',
    ...twoColumns(
      [
        ['PERDURE_STORE', 'the store, if --store is not given: sqlite:PATH or postgres://USER@HOST/DATABASE'],
        ['PERDURE_URL', 'of the engine, if neither --url nor --profile is given'],
        ['PERDURE_PROFILE', 'a profile, if neither --profile nor an engine is given'],
        ['PERDURE_TOKEN', 'the API key or token to show to the engine'],
        ['PERDURE_NAMESPACE', 'the namespace at an engine, if --namespace is not given'],
        ['PGPASSWORD', 'the password of a PostgreSQL database, or PGPASSFILE: a file that has it'],
        ['PERDURE_DATA_KEYS', 'the store of data keys, if --data-keys is not given'],
        ['PERDURE_DEBUG', '1: errors are shown with their stack'],
        ['NO_COLOR', 'no colour, also on a terminal'],
      ],
      text,
    ),
    '',
    'Examples:',
    '  perdure start --workflows orders.ts --store postgres://app@db1/orders',
    '  perdure list --store sqlite:./orders.db --status failed',
    '  perdure show order-17',
    '  perdure history order-17 --json',
    '  perdure doctor ./orders.db',
    '',
    'Exit code: 0 fine, 1 error or problem found, 2 the command line is wrong.',
  ].join('\n')
}

function optionRow([name, { value, short, says, multiple }]: [string, OptionSpec]): [string, string] {
  const long = `--${name}${value === undefined ? '' : ` ${value}`}`
  const repeats = multiple === true ? '; may be repeated' : ''
  return [short === undefined ? long : `-${short}, ${long}`, says + repeats]
}

function indented(text: string, width: number): string[] {
  return wrap(text, width - 6).map((line) => `      ${line}`)
}

function twoColumns(rows: readonly (readonly [string, string])[], width: number): string[] {
  const left = Math.max(...rows.map(([name]) => name.length)) + 2
  return rows.flatMap(([name, says]) =>
    wrap(says, Math.max(20, width - left - 2)).map(
      (line, i) => `  ${padTo(i === 0 ? name : '', left)}${line}`,
    ),
  )
}
