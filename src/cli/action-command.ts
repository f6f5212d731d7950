/**
 * Commands that have actions, such as `perdure access keys create`: a table of them, and what they share.
 *
 * 1. An option that an action does not take is refused: it would change nothing, unnoticed.
 * 2. The help says for each option which actions take it.
 */
import { COMMON_OPTIONS, type Command, type CommandCall, checkOperands, type OptionSpec } from './command.ts'
import { nearestWord } from './nearest-word.ts'
import { UsageError } from './usage-error.ts'
import { WATCH_OPTION } from './watching.ts'

type Options = Readonly<Record<string, OptionSpec>>

export interface Action {
  readonly operands: readonly string[]
  readonly says: string
  readonly options?: Options
  /** It changes nothing, so `--watch` may repeat it. */
  readonly looks?: true
  /** Resolves to the exit code; undefined: fine. The operands are those after the action. */
  run(call: CommandCall): Promise<number | undefined>
}

/** By name, of one word or two. */
export type Actions = Readonly<Record<string, Action>>

export interface ActionCommandSpec extends Pick<Command, 'name' | 'summary' | 'examples'> {
  readonly actions: Actions
  /** Without a word. Default: there is none, and one must be given. */
  readonly usual?: string
  /** Of all actions. */
  readonly shared: Options
}

export function actionCommand({
  name,
  summary,
  examples,
  actions,
  usual,
  shared,
}: ActionCommandSpec): Command {
  const names = Object.keys(actions)
  const firsts = [...new Set(names.map((each) => each.split(' ')[0] ?? ''))]
  const isWatchable = Object.values(actions).some(({ looks }) => looks === true)
  const common = { ...shared, ...(isWatchable ? WATCH_OPTION : {}), ...COMMON_OPTIONS }
  return {
    name,
    summary,
    examples,
    operands: [usual === undefined ? 'ACTION' : '[ACTION]', '[…]'],
    words: firsts,
    secondWords: Object.fromEntries(firsts.map((first) => [first, secondsOf(names, first)])),
    actions: Object.entries(actions).map(([action, { operands, says }]) => ({
      usage: [action, ...operands].join(' '),
      says: action === usual ? `${says}; also without a word` : says,
    })),
    options: { ...mergedOptions(actions), ...common },
    isLooking: (operands) => chosen(operands)?.action.looks === true,
    run: async (call) => {
      const found = chosen(call.operands)
      if (found === undefined) throw unknownAction(name, names, call.operands)
      const { action, operands } = found
      const taken = { ...action.options, ...common }
      const surplus = call.options.names().find((each) => !Object.hasOwn(taken, each))
      if (surplus !== undefined) throw new UsageError(`--${surplus} is not for perdure ${name} ${found.name}`)
      checkOperands(action.operands, operands)
      return (await action.run({ ...call, operands })) ?? 0
    },
  }

  function chosen(
    operands: readonly string[],
  ): { readonly name: string; readonly action: Action; readonly operands: readonly string[] } | undefined {
    const [first = usual ?? '', second = 'list'] = operands
    for (const [named, count] of [
      [`${first} ${second}`, 2],
      [first, 1],
    ] as const) {
      const action = Object.hasOwn(actions, named) ? actions[named] : undefined
      if (action !== undefined) return { name: named, action, operands: operands.slice(count) }
    }
    return undefined
  }
}

function secondsOf(names: readonly string[], first: string): readonly string[] {
  return names.flatMap((each) => (each.startsWith(`${first} `) ? [each.slice(first.length + 1)] : []))
}

function unknownAction(name: string, names: readonly string[], operands: readonly string[]): UsageError {
  const seconds = operands[0] === undefined ? [] : secondsOf(names, operands[0])
  const typed = seconds.length > 0 ? operands.slice(0, 2).join(' ') : (operands[0] ?? '')
  const nearest = nearestWord(typed, names)
  const known = seconds.length > 0 ? seconds.map((each) => `${operands[0]} ${each}`) : names
  return new UsageError(
    typed === '' ? 'ACTION is missing' : `'${typed}' is no action of perdure ${name}`,
    nearest === undefined ? `There are ${known.join(', ')}.` : `Did you mean ${nearest}?`,
  )
}

/** What an option does may differ between actions. */
function mergedOptions(actions: Actions): Options {
  const merged: Record<string, OptionSpec> = {}
  const all = Object.entries(actions)
  for (const option of new Set(all.flatMap(([, { options = {} }]) => Object.keys(options)))) {
    const taking = all.flatMap(([name, { options = {} }]) => {
      const spec = options[option]
      return spec === undefined ? [] : [{ name, spec }]
    })
    const texts = Map.groupBy(taking, ({ spec }) => spec.says)
    const says = [...texts].map(([text, takers]) => `${takers.map(({ name }) => name).join(', ')}: ${text}`)
    for (const { spec } of taking) merged[option] = { ...spec, says: says.join('; ') }
  }
  return merged
}
