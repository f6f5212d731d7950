/** Human tasks: inboxes, and what people do. */
import type { HumanAction } from '../../../protocol/human-task.ts'
import type { HumanTaskDescription } from '../../../protocol/people-port.ts'
import { Cursors } from '../cursors.ts'
import { requestIdOf } from '../idempotency.ts'
import type { PayloadView } from '../payload-view.ts'
import { RequestError } from '../problem.ts'
import { route } from '../route.ts'
import { action, actor, humanHistory, humanTask, humanTaskParam, inbox } from '../schemas/human-tasks.ts'
import { asked, list, name, optional, paging } from '../schemas/values.ts'

const TAG = 'Human tasks'

interface Data {
  readonly data?: HumanTaskDescription['data']
}

function shownData<T extends Data>({ data, ...rest }: T, payloads: PayloadView): object {
  return { ...rest, ...payloads.field('data', data) }
}

export const humanTaskRoutes = [
  route({
    method: 'GET',
    path: '/human-tasks',
    operationId: 'listHumanTasks',
    tag: TAG,
    summary: 'List open human tasks: an inbox',
    description: 'By one of `user`, `requester` and `workflowId`; without one, all of the namespace.',
    query: {
      user: optional(name('What this person has, or may take.')),
      groups: optional(list(name('A group.'), 'Groups of the user.', 1000)),
      requester: optional(name('What this user has requested.')),
      workflowId: optional(name('What this execution waits for.')),
      ...paging,
    },
    answers: { 200: { description: 'A page.', body: inbox } },
    needs: ['people.inbox'],
    run: async ({ namespace, query, port }) => {
      const { cursor, limit = 100, user, groups = [], ...rest } = query
      if ([user, rest.requester, rest.workflowId].filter((each) => each !== undefined).length > 1)
        throw new RequestError('ARGUMENT_INVALID', 'of user, requester and workflowId there may be one')
      const asked = { namespace, ...rest, ...(user === undefined ? {} : { person: { user, groups } }) }
      const cursors = new Cursors('human-tasks', asked)
      const found = await port.people.inbox({ ...asked, limit, ...cursors.taken(cursor) })
      return { body: { tasks: found.tasks, ...cursors.field(found.cursor) } }
    },
  }),
  route({
    method: 'GET',
    path: '/human-tasks/{id}',
    operationId: 'getHumanTask',
    tag: TAG,
    summary: 'Describe a human task, open or closed',
    params: humanTaskParam,
    answers: { 200: { description: 'What it is, who has decided what, and its form.', body: humanTask } },
    errors: ['HUMAN_TASK_NOT_FOUND'],
    needs: ['people.describe'],
    run: async ({ namespace, params, port, payloads }) => {
      const { decisions, drafts, ...rest } = await port.people.describe({ namespace, ...params })
      return {
        body: {
          ...shownData(rest, payloads),
          decisions: decisions.map((each) => shownData(each, payloads)),
          drafts: drafts.map((each) => shownData(each, payloads)),
        },
      }
    },
  }),
  route({
    method: 'GET',
    path: '/human-tasks/{id}/history',
    operationId: 'getHumanTaskHistory',
    tag: TAG,
    summary: 'Say who did what with a human task, and when',
    params: humanTaskParam,
    answers: { 200: { description: 'Its events, from the history of its execution.', body: humanHistory } },
    errors: ['HUMAN_TASK_NOT_FOUND'],
    needs: ['people.history'],
    run: async ({ namespace, params, port, payloads }) => {
      const events = await port.people.history({ namespace, ...params })
      return { body: { events: events.map((each) => payloads.event(each)) } }
    },
  }),
  route({
    method: 'POST',
    path: '/human-tasks/{id}/actions',
    operationId: 'actOnHumanTask',
    tag: TAG,
    summary: 'Claim, complete, approve, hand over, … a human task',
    params: humanTaskParam,
    body: asked({
      actor,
      action,
      requestId: optional(
        name('Of several with one id only the first counts. Default: the Idempotency-Key, else a new one.'),
      ),
    }),
    answers: { 204: { description: 'Recorded, and durable.' } },
    errors: [
      'HUMAN_TASK_NOT_FOUND',
      'HUMAN_TASK_CONFLICT',
      'HUMAN_TASK_FORBIDDEN',
      'HUMAN_TASK_DATA_INVALID',
    ],
    needs: ['people.act'],
    repeats:
      'The key, or `requestId`, is that of the action: of several of one user on the task only the first counts. What a repeat carries is not compared.',
    run: async ({ namespace, params, body, port, payloads, idempotencyKey }) => {
      const { user, groups = [], isAdmin } = body.actor
      const requestId = requestIdOf(idempotencyKey, body.requestId, 'requestId') ?? port.newRequestId()
      const given = body.action
      const asked =
        'data' in given && given.data !== undefined
          ? { ...given, data: payloads.taken(given.data, '/action/data') }
          : given
      // The one cast: the schema has let through one of the actions, and its data is a payload now.
      const done = asked as HumanAction
      await port.people.act(
        { namespace, ...params },
        { user, groups, ...(isAdmin === undefined ? {} : { isAdmin }) },
        done,
        requestId,
      )
      return { status: 204 }
    },
  }),
]
