/** What would be done to many is counted first, and done with `--yes`. */
import type { CommandCall, OptionSpec } from '../command.ts'
import { printDone } from '../printed-rows.ts'
import { UsageError } from '../usage-error.ts'
import { PAGE_MOST, type Rest, type RestRequest } from './rest.ts'

export const MANY_OPTIONS = {
  all: { says: 'without a filter' },
  yes: { says: 'does it; without it, it is only counted' },
} as const satisfies Record<string, OptionSpec>

/** Beyond, it is not counted on. */
const COUNT_MOST = 100_000

interface Many {
  /** The list that has them. */
  readonly request: RestRequest
  /** Of its answer. */
  readonly field: string
  /** Such as `executions would be cancelled`. */
  readonly wouldBe: string
  readonly isFiltered: boolean
}

/** @returns whether it is to be done; if not, it has said to how many it would be */
export async function isMeant(
  call: CommandCall,
  rest: Rest,
  { request, field, wouldBe, isFiltered }: Many,
): Promise<boolean> {
  const { options, output } = call
  if (isFiltered === options.flag('all'))
    throw new UsageError(
      isFiltered ? '--all is given with a filter' : 'neither a filter nor --all is given',
      isFiltered ? 'Leave one of them out.' : 'Such as --status, --since, or --all for really all of them.',
    )
  if (options.flag('yes')) return true
  const count = await countOf(rest, request, field)
  const shown = count >= COUNT_MOST ? `${COUNT_MOST} or more` : String(count)
  printDone(call, { count, isDone: false }, `${shown} ${wouldBe}`)
  output.note('Nothing is done yet: give the same line with --yes.')
  return false
}

async function countOf(rest: Rest, request: RestRequest, field: string): Promise<number> {
  let count = 0
  for (let cursor: string | undefined; ; ) {
    const query = { ...request.query, cursor, limit: PAGE_MOST }
    const page = await rest.page({ ...request, query }, field)
    count += page.rows.length
    cursor = page.cursor
    if (cursor === undefined || count >= COUNT_MOST) return count
  }
}

/** One request after the other, for as long as there is a cursor. */
export async function* allOf<T extends { readonly cursor?: string }>(
  rest: Rest,
  { path, body }: Pick<RestRequest, 'path' | 'body'>,
): AsyncGenerator<T> {
  for (let cursor: string | undefined; ; ) {
    const answer = await rest.ask<T>({
      method: 'POST',
      path,
      body: cursor === undefined ? { ...body } : { ...body, cursor },
      waitMs: 300_000,
    })
    yield answer
    cursor = answer.cursor
    if (cursor === undefined) return
  }
}
