/** Options of `ctx.humanTask` and `ctx.approval`, as they are given, and what the engine gets of them. */
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs, optionalMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import {
  type ApprovalRule,
  type Escalation,
  type HumanTaskSpec,
  MAX_SEATS,
  type People,
  type SeatSpec,
} from '../../protocol/human-task.ts'
import type { Payload } from '../../protocol/payload.ts'
import { TASK_PRIORITY } from '../../protocol/task-port.ts'
import { checkNames, type OptionNames } from '../checked-arguments.ts'
import { type Form, jsonSchemaOf } from './form.ts'

const TITLE_LIMIT_BYTES = 1000
const NAMES_MAX = 1000
const ESCALATIONS_MAX = 20

export interface EscalationOptions {
  /** After the task was opened. */
  readonly after: Duration
  /** Who may take it too from then on. */
  readonly users?: readonly string[]
  readonly groups?: readonly string[]
  /** Its priority from then on. */
  readonly priority?: number
  /** Whoever has claimed it loses it. */
  readonly release?: boolean
}

interface SharedOptions<F extends Form> {
  /** What people see first. */
  readonly title: string
  /** Names the task in its execution, for `fourEyes` and in histories. Default: the title. */
  readonly name?: string
  readonly form?: F
  /** Shown to the person. */
  readonly data?: unknown
  /** 0 to 9, 9 first. Default 5. */
  readonly priority?: number
  readonly dueIn?: Duration
  /** When it is due: mark it as overdue (the default), or end it with `HUMAN_TASK_EXPIRED`. */
  readonly onDue?: 'mark' | 'expire'
  readonly escalate?: EscalationOptions | readonly EscalationOptions[]
  /** May withdraw the task, and do what managers may. */
  readonly requester?: string
  /** May hand seats over, add and remove approvers, and withdraw the task. */
  readonly managers?: { readonly users?: readonly string[]; readonly groups?: readonly string[] }
  /** Names of human tasks of this execution: who did one of them may not do this one, and the other way round. */
  readonly fourEyes?: string | readonly string[]
}

export interface HumanTaskOptions<F extends Form = Form> extends SharedOptions<F> {
  readonly candidateUsers?: readonly string[]
  readonly candidateGroups?: readonly string[]
  /** Has it from the beginning. */
  readonly assignee?: string
}

/** A user, or whoever of these takes the seat first. */
export type Approver = string | { readonly users?: readonly string[]; readonly groups?: readonly string[] }

export interface ApprovalOptions<F extends Form = Form> extends SharedOptions<F> {
  /** One seat for each, in this order; 1 to 100. */
  readonly approvers: readonly Approver[]
  /** All at a time (the default), or one after another. */
  readonly order?: 'parallel' | 'sequence'
  /** Whose approval it takes: of all (the default), of any one, of more than half, of so many, or of this share. */
  readonly rule?: 'all' | 'any' | 'majority' | { readonly votes: number } | { readonly ratio: number }
}

const SHARED: OptionNames<SharedOptions<Form>> = {
  title: true,
  name: true,
  form: true,
  data: true,
  priority: true,
  dueIn: true,
  onDue: true,
  escalate: true,
  requester: true,
  managers: true,
  fourEyes: true,
}
const HUMAN_TASK: OptionNames<HumanTaskOptions> = {
  ...SHARED,
  candidateUsers: true,
  candidateGroups: true,
  assignee: true,
}
const APPROVAL: OptionNames<ApprovalOptions> = { ...SHARED, approvers: true, order: true, rule: true }
const ESCALATION: OptionNames<EscalationOptions> = {
  after: true,
  users: true,
  groups: true,
  priority: true,
  release: true,
}
const PEOPLE: OptionNames<{ users?: unknown; groups?: unknown }> = { users: true, groups: true }

export interface NamedSpec {
  readonly name: string
  readonly spec: HumanTaskSpec
}

type Encode = (value: unknown) => Payload

/** @throws PerdureError `ARGUMENT_INVALID`, `ID_INVALID`, `DURATION_INVALID` */
export function humanTaskSpec(options: HumanTaskOptions, encode: Encode): NamedSpec {
  const call = 'ctx.humanTask()'
  assertOptions(options, HUMAN_TASK, call)
  const seat: SeatSpec = {
    users: checkedNames(options.candidateUsers ?? [], 'candidateUsers', call),
    groups: checkedNames(options.candidateGroups ?? [], 'candidateGroups', call),
    ...(options.assignee === undefined ? {} : { assignee: checkedUser(options.assignee, call) }),
  }
  if (seat.assignee === undefined && seat.users.length === 0 && seat.groups.length === 0)
    throw invalid(call, 'nobody could do it: give candidateUsers, candidateGroups or assignee')
  return sharedSpec(options, call, encode, {
    kind: 'task',
    seats: [seat],
    order: 'parallel',
    rule: { kind: 'all' },
  })
}

/** @throws PerdureError `ARGUMENT_INVALID`, `ID_INVALID`, `DURATION_INVALID` */
export function approvalSpec(options: ApprovalOptions, encode: Encode): NamedSpec {
  const call = 'ctx.approval()'
  assertOptions(options, APPROVAL, call)
  const { approvers, order = 'parallel' } = options
  if (!Array.isArray(approvers) || approvers.length === 0 || approvers.length > MAX_SEATS)
    throw invalid(call, `approvers is not a list of 1 to ${MAX_SEATS}`)
  if (order !== 'parallel' && order !== 'sequence')
    throw invalid(call, `order is ${JSON.stringify(order)}, not parallel or sequence`)
  const seats = approvers.map((approver) => seatOfApprover(approver, call))
  const assignees = seats.flatMap(({ assignee }) => assignee ?? [])
  const twice = assignees.find((user, i) => assignees.indexOf(user) !== i)
  if (twice !== undefined) throw invalid(call, `${twice} is an approver twice: nobody decides twice`)
  const rule = ruleOf(options.rule, seats.length, call)
  return sharedSpec(options, call, encode, { kind: 'approval', seats, order, rule })
}

/** @throws PerdureError `ARGUMENT_INVALID`, `ID_INVALID` */
export function seatOfApprover(approver: Approver, call: string): SeatSpec {
  if (typeof approver === 'string') return { users: [], groups: [], assignee: checkedUser(approver, call) }
  const found = checkedPeople(approver, `${call}: an approver`)
  if (found.users.length === 0 && found.groups.length === 0)
    throw invalid(call, 'an approver is a user, or has users or groups')
  return found
}

function ruleOf(rule: ApprovalOptions['rule'], seats: number, call: string): ApprovalRule {
  if (rule === undefined) return { kind: 'all' }
  if (rule === 'all' || rule === 'any' || rule === 'majority') return { kind: rule }
  if (typeof rule === 'object' && rule !== null) {
    if ('votes' in rule && Number.isInteger(rule.votes) && rule.votes >= 1 && rule.votes <= seats)
      return { kind: 'votes', votes: rule.votes }
    if ('ratio' in rule && rule.ratio > 0 && rule.ratio <= 1) return { kind: 'ratio', ratio: rule.ratio }
  }
  throw invalid(
    call,
    `rule is ${JSON.stringify(rule)}, not all, any, majority, { votes: 1 to ${seats} } or { ratio: above 0, to 1 }`,
  )
}

function sharedSpec(
  options: SharedOptions<Form>,
  call: string,
  encode: Encode,
  of: Pick<HumanTaskSpec, 'kind' | 'seats' | 'order' | 'rule'>,
): NamedSpec {
  const title = checkedName(options.title, `${call}: the title`, TITLE_LIMIT_BYTES)
  const { form, data, requester, managers, fourEyes = [], onDue = 'mark' } = options
  const dueInMs = optionalMs(options.dueIn, `${call}: dueIn`)
  if (onDue !== 'mark' && onDue !== 'expire')
    throw invalid(call, `onDue is ${JSON.stringify(onDue)}, not mark or expire`)
  if (onDue === 'expire' && dueInMs === undefined) throw invalid(call, 'onDue needs dueIn')
  const spec: HumanTaskSpec = {
    ...of,
    title,
    ...(form === undefined ? {} : { form: jsonSchemaOf(form, call) }),
    ...(data === undefined ? {} : { data: encode(data) }),
    priority: checkedPriority(options.priority ?? TASK_PRIORITY.default, call),
    ...(dueInMs === undefined ? {} : { dueInMs }),
    onDue,
    escalations: escalationsOf(options.escalate, of.seats, call),
    ...(requester === undefined ? {} : { requester: checkedUser(requester, call) }),
    ...(managers === undefined ? {} : { managers: checkedPeople(managers, `${call}: managers`) }),
    fourEyes: checkedNames(typeof fourEyes === 'string' ? [fourEyes] : fourEyes, 'fourEyes', call),
  }
  const name = options.name === undefined ? title : checkedName(options.name, `${call}: the name`)
  if (spec.fourEyes.includes(name)) throw invalid(call, `fourEyes has the name of the task itself, '${name}'`)
  return { name, spec }
}

function escalationsOf(
  given: SharedOptions<Form>['escalate'],
  seats: readonly SeatSpec[],
  call: string,
): Escalation[] {
  const all: readonly EscalationOptions[] = given === undefined ? [] : [given].flat()
  if (all.length > ESCALATIONS_MAX) throw invalid(call, `there are more than ${ESCALATIONS_MAX} escalations`)
  return all
    .map((each): Escalation => {
      assertOptions(each, ESCALATION, `${call}: escalate`)
      const { after, users, groups, priority, release } = each
      const people = checkedPeople({ users, groups }, `${call}: escalate`)
      if (people.users.length + people.groups.length === 0 && priority === undefined && release !== true)
        throw invalid(call, 'escalate changes nothing: give users, groups, priority or release')
      const others = [people, ...seats].some((some) => some.users.length > 0 || some.groups.length > 0)
      if (release === true && !others)
        throw invalid(call, 'an escalation that releases needs users or groups who could take it')
      return {
        afterMs: durationMs(after, `${call}: escalate.after`),
        ...people,
        ...(priority === undefined ? {} : { priority: checkedPriority(priority, call) }),
        ...(release === true ? { release } : {}),
      }
    })
    .sort((a, b) => a.afterMs - b.afterMs)
}

function checkedPeople(given: { users?: unknown; groups?: unknown }, call: string): People {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new PerdureError('ARGUMENT_INVALID', `${call} is not { users, groups }`)
  assertOptions(given, PEOPLE, call)
  const { users = [], groups = [] } = given
  return { users: checkedNames(users, 'users', call), groups: checkedNames(groups, 'groups', call) }
}

function checkedNames(given: unknown, what: string, call: string): string[] {
  if (!Array.isArray(given) || given.length > NAMES_MAX)
    throw invalid(call, `${what} is not a list of at most ${NAMES_MAX} names`)
  return [...new Set(given.map((name) => checkedName(name, `${call}: a name of ${what}`)))]
}

function checkedUser(user: unknown, call: string): string {
  return checkedName(user as string, `${call}: the name of a user`)
}

function checkedPriority(priority: number, call: string): number {
  const { least, most } = TASK_PRIORITY
  if (!Number.isInteger(priority) || priority < least || priority > most)
    throw invalid(call, `priority is ${priority}, not a whole number from ${least} to ${most}`)
  return priority
}

function assertOptions(given: unknown, names: object, call: string): asserts given is object {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalid(call, 'the options are not an object')
  checkNames(given, names, (name) => `${call} has no option '${name}'`)
}

function invalid(call: string, what: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `${call}: ${what}`)
}
