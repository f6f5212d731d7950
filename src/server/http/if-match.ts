/** Changes of what has revisions: the header `If-Match` names the one that is to be changed (RFC 9110, 13.1.1). */
import { PerdureError } from '../../protocol/errors.ts'
import { failureOf } from '../../protocol/failure.ts'
import { RequestError } from './problem.ts'
import type { Answer, RouteRequest } from './route.ts'

export const ETAG = { ETag: 'Its revision, such as `"3"`.' }
export const IF_MATCH = {
  'If-Match': 'Changes it only if its revision is this one, such as `"3"`; else 412.',
}

export interface IfRevision {
  readonly ifRevision?: number
}

/** @throws RequestError `ARGUMENT_INVALID`; `REVISION_CONFLICT` as 412 */
export async function ifMatch(
  request: Pick<RouteRequest, 'headers'>,
  change: (options: IfRevision) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await change(optionsOf(request))
  } catch (error) {
    if (!(error instanceof PerdureError && error.code === 'REVISION_CONFLICT')) throw error
    // What the caller has said of it is not so.
    throw new RequestError(error.code, failureOf(error).message, { status: 412 })
  }
}

export function etagOf({ revision }: { readonly revision: number }): { readonly etag: string } {
  return { etag: `"${revision}"` }
}

function optionsOf({ headers }: Pick<RouteRequest, 'headers'>): IfRevision {
  const given = headers['if-match']
  if (given === undefined || given === '*') return {}
  const [, revision] = (typeof given === 'string' ? /^"(\d{1,15})"$/.exec(given) : null) ?? []
  if (revision !== undefined) return { ifRevision: Number(revision) }
  const detail = 'must be a revision in quotes, such as "3", or *'
  throw new RequestError('ARGUMENT_INVALID', `the header If-Match ${detail}`, {
    faults: [{ in: 'header', pointer: '/If-Match', detail }],
  })
}
