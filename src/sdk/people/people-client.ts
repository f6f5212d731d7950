/** The typed client of human tasks, over the untyped `PeoplePort`. */
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { SequencedEvent } from '../../protocol/event.ts'
import type { Actor, HumanAction, SeatDecision } from '../../protocol/human-task.ts'
import { isJson } from '../../protocol/json.ts'
import type { Limits } from '../../protocol/limits.ts'
import { decodePayload, type Payload } from '../../protocol/payload.ts'
import type {
  HumanDraft,
  HumanTaskDescription,
  HumanTaskSummary,
  InboxQuery,
  PeoplePort,
} from '../../protocol/people-port.ts'
import {
  checkedOptions,
  checkedReason,
  checkedRequestId,
  checkNames,
  type OptionNames,
} from '../checked-arguments.ts'
import { checkedPayload, type PayloadWarner } from '../checked-payload.ts'
import { repeated } from '../repeated.ts'
import { type Approver, seatOfApprover } from './human-options.ts'

const COMMENT_LIMIT_BYTES = 4096
const GROUPS_MAX = 1000

export interface PeopleClientSettings extends PayloadWarner {
  readonly limits: Limits
  readonly namespace: string
}

/** Who acts: the id of the user, with groups and rights if they count. The program that calls vouches for it. */
export type Person =
  | string
  | { readonly user: string; readonly groups?: readonly string[]; readonly admin?: boolean }

/** An open human task, as inboxes show it. */
export interface HumanTask extends Omit<HumanTaskSummary, 'openedAt' | 'dueAt'> {
  readonly openedAt: Date
  readonly dueAt: Date | undefined
}

export interface Inbox {
  readonly tasks: readonly HumanTask[]
  /** For the next page; absent: this is the last one. */
  readonly cursor?: string
}

export interface InboxTask extends HumanTask {
  /** The person has it; otherwise he may claim it. */
  readonly isOwn: boolean
}

type Decoded<T> = Omit<T, 'data' | 'at'> & { readonly data?: unknown }

export interface HumanTaskDetails
  extends HumanTask,
    Omit<
      HumanTaskDescription,
      keyof HumanTaskSummary | 'closedAt' | 'data' | 'decisions' | 'drafts' | 'comments'
    > {
  readonly closedAt: Date | undefined
  readonly data: unknown
  readonly decisions: readonly (Decoded<SeatDecision> & { readonly at: Date })[]
  readonly drafts: readonly Decoded<HumanDraft>[]
  readonly comments: readonly { readonly by: string; readonly at: Date; readonly text: string }[]
}

export interface PageOptions {
  /** Default 100, at most 1,000. */
  readonly limit?: number
  readonly cursor?: string
}

/** Repeats of a call share the id: only the first counts. Default: a new one. */
export interface ActOptions {
  readonly requestId?: string
}

export interface DecideOptions extends ActOptions {
  /** What is filled in; held against the form. */
  readonly data?: unknown
  readonly comment?: string
}

const PAGE: OptionNames<PageOptions> = { limit: true, cursor: true }
const ACT: OptionNames<ActOptions> = { requestId: true }
const PERSON: OptionNames<Exclude<Person, string>> = { user: true, groups: true, admin: true }
const DECIDE: OptionNames<DecideOptions> = { ...ACT, data: true, comment: true }

/**
 * Human tasks of one namespace. Every action resolves when it is durable, and is in the history of its execution.
 * Errors of actions: `HUMAN_TASK_NOT_FOUND`, `HUMAN_TASK_CONFLICT` (somebody else was faster, or it has ended),
 * `HUMAN_TASK_FORBIDDEN`, `HUMAN_TASK_DATA_INVALID`.
 */
export class PeopleClient {
  readonly #port: PeoplePort
  readonly #settings: PeopleClientSettings
  readonly #newRequestId: () => string

  constructor(port: PeoplePort, settings: PeopleClientSettings, newRequestId: () => string) {
    this.#port = port
    this.#settings = settings
    this.#newRequestId = newRequestId
  }

  /**
   * What the person has, and what he may claim himself or through a group; the most urgent first. Four eyes are not looked at
   * here: `claim` may still refuse.
   */
  async inbox(
    person: Person,
    options?: PageOptions,
  ): Promise<Inbox & { readonly tasks: readonly InboxTask[] }> {
    const { user, groups } = actorOf(person)
    const page = await this.#page({ person: { user, groups } }, options, 'people.inbox()')
    const tasks = page.tasks.map((task) => ({
      ...task,
      isOwn: task.seats.some(({ isInTurn, holder }) => isInTurn && holder === user),
    }))
    return { ...page, tasks }
  }

  /** Open tasks that the user has requested. */
  async requestedBy(user: string, options?: PageOptions): Promise<Inbox> {
    return this.#page({ requester: userOf(user) }, options, 'people.requestedBy()')
  }

  /** All open tasks, or those of one execution. */
  async list(options?: PageOptions & { readonly workflowId?: string }): Promise<Inbox> {
    const { workflowId, ...page } = checkedOptions(options, 'people.list()', { ...PAGE, workflowId: true })
    const of = workflowId === undefined ? {} : { workflowId: checkedName(workflowId, 'the workflow id') }
    return this.#page(of, page, 'people.list()')
  }

  /** Also of a task that has ended, as long as its execution is kept. */
  async describe(id: string): Promise<HumanTaskDetails> {
    const found = await repeated(() => this.#port.describe(this.#target(id)))
    const { closedAt, data, decisions, drafts, comments, ...rest } = found
    return {
      ...rest,
      ...dated(found),
      closedAt: closedAt === undefined ? undefined : new Date(closedAt),
      data: data === undefined ? undefined : decodePayload(data),
      decisions: decisions.map(({ at, ...each }) => ({ ...decoded(each), at: new Date(at) })),
      drafts: drafts.map(decoded),
      comments: comments.map(({ at, ...each }) => ({ ...each, at: new Date(at) })),
    }
  }

  /** Who did what when: the events of the task. */
  async history(id: string): Promise<readonly SequencedEvent[]> {
    return repeated(() => this.#port.history(this.#target(id)))
  }

  /** Of several who claim at the same time exactly one gets it. */
  async claim(id: string, by: Person, options?: ActOptions): Promise<void> {
    await this.#act(id, by, { kind: 'claim' }, options)
  }

  /** Gives it back: whoever may can claim it. */
  async release(id: string, by: Person, options?: ActOptions): Promise<void> {
    await this.#act(id, by, { kind: 'release' }, options)
  }

  /** Lets somebody else do it. With `returns` that one prepares it, and it comes back to be decided. */
  async delegate(
    id: string,
    by: Person,
    to: string,
    options?: ActOptions & { readonly returns?: boolean },
  ): Promise<void> {
    const { returns, ...rest } = checkedOptions(options, 'people.delegate()', { ...ACT, returns: true })
    const back = returns === true ? { returns } : {}
    await this.#act(id, by, { kind: 'delegate', to: userOf(to), ...back }, rest)
  }

  /** Gives it to somebody else for good. */
  async transfer(id: string, by: Person, to: string, options?: ActOptions): Promise<void> {
    await this.#act(id, by, { kind: 'hand-over', to: userOf(to) }, options)
  }

  /** For managers: gives the seat of somebody else, or of nobody, to a user. `seat`: which one, if there are several. */
  async reassign(
    id: string,
    by: Person,
    to: string,
    options?: ActOptions & { readonly seat?: number },
  ): Promise<void> {
    const { seat, ...rest } = checkedOptions(options, 'people.reassign()', { ...ACT, seat: true })
    const of = seat === undefined ? {} : { seat: checkedNumber(seat, 'seat') }
    await this.#act(id, by, { kind: 'hand-over', to: userOf(to), ...of }, rest)
  }

  async comment(id: string, by: Person, text: string, options?: ActOptions): Promise<void> {
    await this.#act(id, by, { kind: 'comment', text: commentOf(text) }, options)
  }

  /** Ends a task of one person with what is filled in. A task that nobody has need not be claimed before. */
  async complete(id: string, by: Person, options?: DecideOptions): Promise<void> {
    await this.#decide(id, by, 'complete', options)
  }

  async approve(id: string, by: Person, options?: DecideOptions): Promise<void> {
    await this.#decide(id, by, 'approve', options)
  }

  /** Refuses an approval, or to do a task: that ends it, and its workflow gets `HUMAN_TASK_REJECTED`. */
  async reject(id: string, by: Person, options?: DecideOptions): Promise<void> {
    await this.#decide(id, by, 'reject', options)
  }

  /** For managers and for whoever has a seat. `place`: before the approver at this place, 1 is the first; default: the last. */
  async addApprover(
    id: string,
    by: Person,
    approver: Approver,
    options?: ActOptions & { readonly place?: number },
  ): Promise<void> {
    const { place, ...rest } = checkedOptions(options, 'people.addApprover()', { ...ACT, place: true })
    const seat = seatOfApprover(approver, 'people.addApprover()')
    const at = place === undefined ? {} : { place: checkedNumber(place, 'place') }
    await this.#act(id, by, { kind: 'add-approver', approver: seat, ...at }, rest)
  }

  /** For managers. What is left may be enough to end the approval. */
  async removeApprover(id: string, by: Person, seat: number, options?: ActOptions): Promise<void> {
    await this.#act(id, by, { kind: 'remove-approver', seat: checkedNumber(seat, 'seat') }, options)
  }

  /** To somebody who had it before, or who decided before in a sequence. */
  async sendBack(
    id: string,
    by: Person,
    to: string,
    options?: ActOptions & { readonly reason?: string },
  ): Promise<void> {
    const { reason, ...rest } = checkedOptions(options, 'people.sendBack()', { ...ACT, reason: true })
    await this.#act(id, by, { kind: 'send-back', to: userOf(to), ...reasonOf(reason) }, rest)
  }

  /** What the person gave away or decided, as long as the next person has not acted. */
  async takeBack(id: string, by: Person, options?: ActOptions): Promise<void> {
    await this.#act(id, by, { kind: 'take-back' }, options)
  }

  /** For the requester and managers: ends it, and its workflow gets `HUMAN_TASK_WITHDRAWN`. */
  async withdraw(id: string, by: Person, options?: ActOptions & { readonly reason?: string }): Promise<void> {
    const { reason, ...rest } = checkedOptions(options, 'people.withdraw()', { ...ACT, reason: true })
    await this.#act(id, by, { kind: 'withdraw', ...reasonOf(reason) }, rest)
  }

  async #page(of: Partial<InboxQuery>, options: PageOptions | undefined, call: string): Promise<Inbox> {
    const { limit, cursor } = checkedOptions(options, call, PAGE)
    const query: InboxQuery = {
      ...of,
      namespace: this.#settings.namespace,
      ...(limit === undefined ? {} : { limit: checkedNumber(limit, 'limit') }),
      ...(cursor === undefined ? {} : { cursor: checkedName(cursor, 'the cursor', COMMENT_LIMIT_BYTES) }),
    }
    const { tasks, ...rest } = await repeated(() => this.#port.inbox(query))
    return { ...rest, tasks: tasks.map((task) => ({ ...task, ...dated(task) })) }
  }

  async #decide(
    id: string,
    by: Person,
    kind: 'complete' | 'approve' | 'reject',
    options: DecideOptions | undefined,
  ): Promise<void> {
    const { data, comment, ...rest } = checkedOptions(options, `people.${kind}()`, DECIDE)
    if (data !== undefined && !isJson(data))
      throw new PerdureError('HUMAN_TASK_DATA_INVALID', `people.${kind}(): the data is not JSON`)
    const payload: Payload | undefined =
      data === undefined ? undefined : checkedPayload(data, this.#settings.limits, this.#settings)
    await this.#act(
      id,
      by,
      {
        kind,
        ...(payload === undefined ? {} : { data: payload }),
        ...(comment === undefined ? {} : { comment: commentOf(comment) }),
      },
      rest,
    )
  }

  async #act(id: string, by: Person, action: HumanAction, options: ActOptions | undefined): Promise<void> {
    const target = this.#target(id)
    const actor = actorOf(by)
    const given = checkedOptions(options, `people: ${action.kind}`, ACT)
    const requestId = checkedRequestId(given.requestId, this.#settings.limits) ?? this.#newRequestId()
    await repeated(() => this.#port.act(target, actor, action, requestId))
  }

  #target(id: string): { readonly namespace: string; readonly id: string } {
    return { namespace: this.#settings.namespace, id: checkedName(id, 'the id of a human task') }
  }
}

function dated({ openedAt, dueAt }: Pick<HumanTaskSummary, 'openedAt' | 'dueAt'>) {
  return { openedAt: new Date(openedAt), dueAt: dueAt === undefined ? undefined : new Date(dueAt) }
}

function decoded<T extends { readonly data?: Payload }>(
  value: T,
): Omit<T, 'data'> & { readonly data?: unknown } {
  const { data, ...rest } = value
  return data === undefined ? rest : { ...rest, data: decodePayload(data) }
}

function actorOf(person: Person): Actor {
  if (typeof person === 'string') return { user: userOf(person), groups: [] }
  if (typeof person !== 'object' || person === null)
    throw new PerdureError('ARGUMENT_INVALID', 'the person is neither a user id nor { user, groups }')
  checkNames(person, PERSON, (name) => `the person has no '${name}'`)
  const { user, groups = [], admin } = person
  if (!Array.isArray(groups) || groups.length > GROUPS_MAX)
    throw new PerdureError('ARGUMENT_INVALID', `groups is not a list of at most ${GROUPS_MAX} names`)
  return {
    user: userOf(user),
    groups: groups.map((group) => checkedName(group, 'the name of a group')),
    ...(admin === true ? { isAdmin: true } : {}),
  }
}

function userOf(user: string): string {
  return checkedName(user, 'the id of a user')
}

function commentOf(text: string): string {
  return checkedName(text, 'the comment', COMMENT_LIMIT_BYTES)
}

function reasonOf(reason: string | undefined): { readonly reason?: string } {
  return reason === undefined ? {} : { reason: checkedReason(reason) }
}

function checkedNumber(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new PerdureError('ARGUMENT_INVALID', `${what} is ${value}, not a whole number of 1 or more`)
  return value
}
