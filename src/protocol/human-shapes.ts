/** Shapes of human tasks, and of what people do with them, as they arrive over the wire. */
import {
  type Actor,
  type ApprovalRule,
  type HumanAction,
  type HumanTaskSpec,
  MAX_SEATS,
  type People,
  type SeatSpec,
} from './human-task.ts'
import {
  duration,
  flag,
  identifier,
  integer,
  json,
  list,
  number,
  object,
  oneOf,
  optional,
  payload,
  refined,
  type Shape,
  text,
  variant,
} from './shapes.ts'
import { priorityShape } from './task-shapes.ts'

const NAMES_MAX = 1000
const ESCALATIONS_MAX = 20
const name = identifier(512)
const label = text(4096)
const names = list(name, NAMES_MAX)
const seatNumber = integer(1)

const people: Shape<People> = object({ users: names, groups: names })
const seatSpec: Shape<SeatSpec> = refined(
  object({ users: names, groups: names, assignee: optional(name) }),
  ({ users, groups, assignee }) =>
    assignee === undefined && users.length + groups.length === 0 ? 'a seat that nobody can take' : undefined,
)

const rule = variant<ApprovalRule, 'kind'>('kind', {
  all: object({}),
  any: object({}),
  majority: object({}),
  votes: object({ votes: integer(1, MAX_SEATS) }),
  ratio: object({ ratio: number(0, 1) }),
})

const humanTaskFields: Shape<HumanTaskSpec> = object({
  kind: oneOf('task', 'approval'),
  title: label,
  form: optional(json),
  data: optional(payload),
  priority: priorityShape,
  dueInMs: optional(duration),
  onDue: oneOf('mark', 'expire'),
  escalations: list(
    object({
      afterMs: duration,
      users: names,
      groups: names,
      priority: optional(priorityShape),
      release: optional(onlyTrue),
    }),
    ESCALATIONS_MAX,
  ),
  seats: list(seatSpec, MAX_SEATS),
  order: oneOf('parallel', 'sequence'),
  rule,
  requester: optional(name),
  managers: optional(people),
  fourEyes: list(name, NAMES_MAX),
})

export const humanTaskSpecShape: Shape<HumanTaskSpec> = refined(humanTaskFields, wrongInSpec)

function wrongInSpec({ kind, seats, rule, title, escalations }: HumanTaskSpec): string | undefined {
  if (title === '') return 'the title is empty'
  if (seats.length === 0 || (kind === 'task' && seats.length > 1)) return `a ${kind} of ${seats.length} seats`
  const holders = seats.flatMap(({ assignee }) => assignee ?? [])
  if (new Set(holders).size < holders.length) return 'somebody has two seats'
  if (rule.kind === 'votes' && rule.votes > seats.length) return 'more votes than seats'
  if (rule.kind === 'ratio' && rule.ratio === 0) return 'a ratio of 0'
  if (escalations.some(({ afterMs }, i) => afterMs < (escalations[i - 1]?.afterMs ?? 0)))
    return 'escalations out of order'
  return undefined
}

function onlyTrue(value: unknown): true {
  // The shape of a flag says what is wrong with anything else.
  return flag(value) as true
}

export const personShape: Shape<Pick<Actor, 'user' | 'groups'>> = object({ user: name, groups: names })

export const actorShape: Shape<Actor> = object({ user: name, groups: names, isAdmin: optional(onlyTrue) })

const decision = object({ data: optional(payload), comment: optional(label) })

export const humanActionShape: Shape<HumanAction> = variant<HumanAction, 'kind'>('kind', {
  claim: object({}),
  release: object({}),
  'take-back': object({}),
  delegate: object({ to: name, returns: optional(onlyTrue) }),
  'hand-over': object({ to: name, seat: optional(seatNumber) }),
  comment: object({ text: label }),
  complete: decision,
  approve: decision,
  reject: decision,
  'add-approver': object({ approver: seatSpec, place: optional(seatNumber) }),
  'remove-approver': object({ seat: seatNumber }),
  'send-back': object({ to: name, reason: optional(label) }),
  withdraw: object({ reason: optional(label) }),
})
