/** What the events of human tasks make of the state of their execution. */
import type { HumanTaskChanged, HumanTaskClosed, HumanTaskOpened } from '../../../protocol/event.ts'
import { rememberHumanRequest } from '../request-ids.ts'
import type { ExecutionState, PeopleRecord } from '../state.ts'
import { changeHuman, openedHuman } from './human-state.ts'

export function evolveHuman(
  state: ExecutionState,
  event: HumanTaskOpened | HumanTaskChanged | HumanTaskClosed,
): void {
  if ('requestId' in event && event.requestId !== undefined && event.by !== undefined)
    rememberHumanRequest(state, { op: event.op, user: event.by, requestId: event.requestId })
  switch (event.type) {
    case 'human-task-opened':
      state.ops.set(event.op, openedHuman(event))
      for (const other of event.spec.fourEyes) keepApart(state, event.name, other)
      return
    case 'human-task-changed': {
      const pending = state.ops.get(event.op)
      if (pending?.kind === 'human') changeHuman(pending, event)
      return
    }
    case 'human-task-closed':
      state.ops.delete(event.op)
      for (const { by, preparedBy } of event.decisions) {
        remember(state, event.name, by)
        if (preparedBy !== undefined) remember(state, event.name, preparedBy)
      }
  }
}

function peopleOf(state: ExecutionState): PeopleRecord {
  state.people ??= { doers: new Map(), apart: new Map() }
  return state.people
}

function keepApart(state: ExecutionState, name: string, other: string): void {
  const { apart } = peopleOf(state)
  addTo(apart, name, other)
  addTo(apart, other, name)
}

function remember(state: ExecutionState, name: string, user: string): void {
  addTo(peopleOf(state).doers, name, user)
}

function addTo(sets: Map<string, Set<string>>, name: string, value: string): void {
  const known = sets.get(name)
  if (known === undefined) sets.set(name, new Set([value]))
  else known.add(value)
}
