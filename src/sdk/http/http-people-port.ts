/** Human tasks, over the REST API. */
import type { SequencedEvent } from '../../protocol/event.ts'
import type {
  HumanTaskDescription,
  HumanTaskTarget,
  InboxPage,
  PeoplePort,
} from '../../protocol/people-port.ts'
import type { HttpCalls } from './http-calls.ts'
import { pageLimit } from './page-limit.ts'

export function httpPeople(calls: HttpCalls): PeoplePort {
  const read = async <T>({ namespace, id }: HumanTaskTarget, path: readonly string[]): Promise<T> => {
    const asked = ['human-tasks', id, ...path]
    return (await calls.ask<T>({ method: 'GET', path: asked, query: { namespace }, isRepeatable: true })).body
  }
  return {
    inbox: async ({ person, limit, ...query }) => {
      const { body } = await calls.ask<InboxPage>({
        method: 'GET',
        path: ['human-tasks'],
        query: { ...query, limit: pageLimit(limit), user: person?.user, groups: listed(person?.groups) },
        isRepeatable: true,
      })
      return body
    },
    describe: (target) => read<HumanTaskDescription>(target, []),
    history: async (target) =>
      (await read<{ readonly events: readonly SequencedEvent[] }>(target, ['history'])).events,
    act: async ({ namespace, id }, actor, action, requestId) => {
      await calls.ask({
        method: 'POST',
        path: ['human-tasks', id, 'actions'],
        query: { namespace },
        body: { actor, action, requestId },
        isRepeatable: true,
      })
    },
  }
}

/** One that comes alone would be taken apart at its commas; named twice it is the same group. */
function listed(groups: readonly string[] | undefined): readonly string[] | undefined {
  const [only] = groups ?? []
  return groups?.length === 1 && only?.includes(',') === true ? [only, only] : groups
}
