/** Shapes of what the API says of human tasks, and takes. */
import Type from 'typebox'
import { HUMAN_OUTCOMES, type HumanAction } from '../../../protocol/human-task.ts'
import { event } from './executions.ts'
import {
  answered,
  asked,
  count,
  cursor,
  flag,
  list,
  name,
  optional,
  payload,
  timeMs,
  words,
} from './values.ts'

export const humanTaskParam = { id: name('Of the human task.') }
const names = list(name('A name.'), 'Names.', 1000)
const label = Type.String({ maxLength: 4096 })
const onlyTrue = Type.Literal(true)
const seatNumber = Type.Integer({ minimum: 1 })

export const actor = asked(
  {
    user: name('Who acts.'),
    groups: optional(names),
    isAdmin: optional(onlyTrue),
  },
  'Who acts, as the caller says.',
)

const decision = {
  data: optional(payload('What is filled in; held against the form.')),
  comment: optional(label),
}
const of = <K extends HumanAction['kind']>(...kinds: readonly K[]) => ({ kind: words(kinds) })

export const action = Type.Union(
  [
    asked(of('claim', 'release', 'take-back')),
    asked({ ...of('delegate'), to: name('Whom.'), returns: optional(onlyTrue) }),
    asked({ ...of('hand-over'), to: name('Whom.'), seat: optional(seatNumber) }),
    asked({ ...of('comment'), text: label }),
    asked({ ...of('complete', 'approve', 'reject'), ...decision }),
    asked({
      ...of('add-approver'),
      approver: asked({
        users: names,
        groups: names,
        assignee: optional(name('Who has it from the beginning.')),
      }),
      place: optional(seatNumber),
    }),
    asked({ ...of('remove-approver'), seat: seatNumber }),
    asked({ ...of('send-back'), to: name('Whom.'), reason: optional(label) }),
    asked({ ...of('withdraw'), reason: optional(label) }),
  ],
  { description: 'What the person does. Seats are numbered 1, 2, …' },
)

const people = { users: list(Type.String()), groups: list(Type.String()) }
const seat = answered('Seat', {
  ...people,
  seat: count('Its number.'),
  isInTurn: flag('Undecided, and it is its turn.'),
  holder: optional(Type.String({ description: 'Who has claimed it, or was given it.' })),
  verdict: optional(words(['completed', 'approved', 'rejected'])),
  by: optional(Type.String()),
})
const summaryFields = {
  id: Type.String(),
  workflowId: Type.String(),
  runId: Type.String(),
  workflow: Type.String(),
  name: Type.String(),
  title: Type.String(),
  kind: words(['task', 'approval']),
  priority: count('0 to 9, 9 first.'),
  openedAt: timeMs('When it was opened.'),
  dueAt: optional(timeMs('When it is due.')),
  isOverdue: Type.Boolean(),
  requester: optional(Type.String()),
  seats: list(seat),
}
export const inbox = answered('Inbox', {
  tasks: list(
    answered('HumanTask', summaryFields),
    'The most urgent first: by priority, then by due time, then by age.',
  ),
  cursor,
})
export const humanTask = answered('HumanTaskDescription', {
  ...summaryFields,
  status: words(['open', ...HUMAN_OUTCOMES]),
  closedAt: optional(timeMs('When it ended.')),
  closedBy: optional(Type.String()),
  reason: optional(Type.String()),
  form: optional(Type.Unknown({ description: 'JSON Schema of what is filled in.' })),
  data: optional(payload('Shown to the person.')),
  order: words(['parallel', 'sequence']),
  rule: Type.Object({ kind: Type.String() }, { description: 'How many seats have to approve.' }),
  onDue: words(['mark', 'expire']),
  escalations: list(Type.Object({ afterMs: count('Milliseconds after it was opened.') })),
  managers: optional(Type.Object(people)),
  fourEyes: list(Type.String()),
  decisions: list(
    Type.Object({ seat: count(''), by: Type.String(), verdict: Type.String(), at: timeMs('') }),
  ),
  drafts: list(Type.Object({ seat: count(''), by: Type.String(), verdict: Type.String() })),
  comments: list(Type.Object({ by: Type.String(), at: timeMs(''), text: Type.String() })),
})
export const humanHistory = answered('HumanTaskHistory', { events: list(event) })
