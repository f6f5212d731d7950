/** The audit trail: read, exported, and erased where it names persons. */
import Type from 'typebox'
import { PerdureError } from '../../../protocol/errors.ts'
import type { OpenedRow } from '../../audit/opened-row.ts'
import type { TrailDesk } from '../../audit/trail-desk.ts'
import { Cursors } from '../cursors.ts'
import { present } from '../present.ts'
import { RequestError } from '../problem.ts'
import { type RouteRequest, route } from '../route.ts'
import { auditFilter, auditHeads, auditPage, erased, erasure } from '../schemas/audit.ts'
import { name, optional, paging } from '../schemas/values.ts'
import { writeTaken } from '../taken.ts'

const TAG = 'Audit'
const CURSOR_NUMBER = /^\d{1,15}$/

/** @throws RequestError `ROUTE_NOT_FOUND` */
function trailOf({ services }: RouteRequest): TrailDesk {
  const { trail } = services
  if (trail !== undefined) return trail
  throw new RequestError(
    'ROUTE_NOT_FOUND',
    'this engine records nothing: it was started without an audit trail (createEngine({ audit }), perdure start --audit-key)',
  )
}

function shown({ row, entry, personal, isErased }: OpenedRow): object {
  const { session, seq, hash } = row
  const { atMs, namespace, action, type, result, code, count, policies, requestId } = entry
  return {
    session,
    seq,
    atMs,
    ...(namespace === '' ? {} : { namespace }),
    action,
    type,
    result,
    ...present({ code, count, policies, requestId }),
    ...personal,
    isErased,
    hash,
  }
}

/** Numbers of a cursor that somebody may have made up. @throws PerdureError `ARGUMENT_INVALID` */
function placeIn(text: string | undefined, parts: number): readonly number[] | undefined {
  if (text === undefined) return undefined
  const numbers = text.split('/')
  if (numbers.length !== parts || !numbers.every((each) => CURSOR_NUMBER.test(each)))
    throw new PerdureError('ARGUMENT_INVALID', 'the cursor is none that this list has answered with')
  return numbers.map(Number)
}

export const auditRoutes = [
  route({
    method: 'GET',
    path: '/audit',
    operationId: 'listAudit',
    tag: TAG,
    summary: 'List what was recorded of calls',
    description:
      'Rows in the order of sessions and of their commits. A page may have fewer rows than `limit`: there is more as long as there is a cursor.',
    query: auditFilter,
    answers: { 200: { description: 'A page, of namespaces in which you may read it.', body: auditPage } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ReadAudit'],
    isInNamespace: false,
    run: async (request) => {
      const { caller, query } = request
      const { cursor, limit = 100, ...filter } = query
      const cursors = new Cursors('audit', filter)
      const { cursor: from } = cursors.taken(cursor)
      const [session, seq = 0] = placeIn(from, 2) ?? []
      const after = session === undefined ? undefined : { session, seq }
      const { rows, next } = await trailOf(request).rows(caller, { ...filter, ...present({ after }), limit })
      const place = next === undefined ? undefined : `${next.session}/${next.seq}`
      return { body: { rows: rows.map(shown), ...cursors.field(place) } }
    },
  }),
  route({
    method: 'GET',
    path: '/audit/heads',
    operationId: 'listAuditHeads',
    tag: TAG,
    summary: 'List the signed heads of the audit trail, the newest first',
    description: 'Keep one now and then where whoever can write the database cannot.',
    query: paging,
    answers: { 200: { description: 'A page.', body: auditHeads } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ReadAudit'],
    isInNamespace: false,
    run: async (request) => {
      const { caller, query } = request
      const { cursor, limit = 100 } = query
      const cursors = new Cursors('audit heads', {})
      const { cursor: from } = cursors.taken(cursor)
      const [before] = placeIn(from, 1) ?? []
      const heads = await trailOf(request).heads(caller, { ...present({ before }), limit })
      const last = heads.length < limit ? undefined : heads.at(-1)?.number
      return { body: { heads, ...cursors.field(last?.toString()) } }
    },
  }),
  route({
    method: 'GET',
    path: '/audit/export',
    operationId: 'exportAudit',
    tag: TAG,
    summary: 'Export the whole audit trail',
    description:
      'JSON lines, as `perdure audit verify FILE` takes them. Nothing is read ahead of you. An export that is cut off, as by a policy that forbids it in a namespace, is none.',
    answers: {
      200: {
        description: 'All signed heads and all rows.',
        body: Type.String(),
        mediaType: 'application/x-ndjson',
      },
    },
    errors: ['ROUTE_NOT_FOUND', 'OVERLOADED'],
    needs: ['ExportAudit'],
    isInNamespace: false,
    run: async (request) => {
      const { caller, services } = request
      const pieces = await trailOf(request).exported(caller)
      return {
        headers: {
          'content-type': 'application/x-ndjson',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
        },
        stream: async (response) => {
          // Whoever may come in no more gets no more.
          const unfollow = services.access.follow(caller, () => response.destroy())
          try {
            for await (const piece of pieces) {
              await writeTaken(response, piece, services.http.answerMs)
              if (response.destroyed) return
            }
            response.end()
          } finally {
            unfollow()
          }
        },
      }
    },
  }),
  route({
    method: 'POST',
    path: '/audit/erasures',
    operationId: 'eraseAudit',
    tag: TAG,
    summary: 'Erase what the audit trail says of a person, or of an execution',
    description:
      'Who called, from where, and ids go; action, time, namespace and result stay, and a row tells of it. Both given: rows that fit both.',
    query: {
      namespace: optional(name('Only rows of it. Default: all, which takes the right to do so everywhere.')),
    },
    body: erasure,
    answers: { 200: { description: 'Done, and durable.', body: erased } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['EraseAuditPerson'],
    isInNamespace: false,
    repeats: 'Harmless: what is erased is not there to be erased again. A key is not looked at.',
    run: async (request) => {
      const { caller, query, body } = request
      const { person, workflowId: resource } = body
      if (person === undefined && resource === undefined)
        throw new PerdureError('ARGUMENT_INVALID', 'say whom or what: person or workflowId')
      const { namespace } = query
      const rows = await trailOf(request).erase(caller, present({ person, resource, namespace }))
      return { body: { rows } }
    },
  }),
]
