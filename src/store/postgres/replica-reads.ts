/**
 * Reads for people, from a replica: a streaming standby of the database.
 *
 * 1. An answer is never older than what was acknowledged, by any node, before the read began: the primary is asked first where
 *    it is (see `PrimaryPosition`), and the replica answers only when it has all of that. So whoever was told of something
 *    sees it, on whichever node, also after a client went on with another.
 * 2. A replica that does not have it within a moment, is away, was promoted, or follows another primary answers nothing: the
 *    primary does. It is left alone for a second then, and asked by one read at a time until it answers again, so that reads do not
 *    wait for it one after the other.
 * 3. It is a standby before and after the statement: one that was promoted meanwhile may show what another history has written.
 * 4. Whatever goes wrong here, also with the statement itself, the primary is asked, and its word is final.
 */
import type { Logger } from '../../platform/logger.ts'
import type { ShownReadCounts } from '../contract/shown-reads.ts'
import { messageOf } from './postgres-error.ts'
import type { PostgresLink, Query, Row, Statement } from './postgres-link.ts'
import type { Ask } from './postgres-reads.ts'
import type { PrimaryPosition, PrimaryPositions } from './primary-position.ts'

/** How long a replica that is behind is waited for, in all. */
const CATCH_UP_MS = 100
const FIRST_PAUSE_MS = 1
/** One that has not said for so long what it has, also while it is connected to, is away: its network may be dark. */
const SILENT_MS = 500
/** So long nothing is asked of a replica that could not answer. */
const REST_MS = 1000

const IS_THERE = `
  select pg_is_in_recovery() as is_standby, pg_last_wal_replay_lsn() >= $1::pg_lsn as has_replayed,
    (select system_identifier::text from pg_control_system()) as system`

/** In a second statement: its snapshot is taken after the log was found to be replayed. */
const HAS_BATCHES = `
  select not exists (
    select from unnest($1::int8[], $2::text[], $3::int8[]) as known (id, incarnation, last)
    where not exists (select from perdure.session where id = known.id and incarnation = known.incarnation)
      or last > 0 and not exists (select from perdure.commit where session_id = known.id and seq >= last)
  ) as has_all`

const IS_STANDBY = 'select pg_is_in_recovery() as is_standby'

export interface ReplicaReadsOptions {
  /** To be shown. */
  readonly name: string
  readonly links: readonly PostgresLink[]
  readonly positions: PrimaryPositions
  /** Asks the primary. */
  readonly primary: Ask
  /** One read may take so long, ms. */
  readonly readMs: number
  readonly logger: Logger
}

/** Why the replica has not answered. */
class Unusable {
  readonly why: string

  constructor(why: string) {
    this.why = why
  }
}

export class ReplicaReads {
  readonly #options: ReplicaReadsOptions
  #replica = 0
  #primary = 0
  #restsUntilMs = 0
  /** A read asks whether the replica can be used again. */
  #isProbed = false
  /** Reads that the primary has answered since the replica could last be used; undefined: it can be. */
  #missed: number | undefined

  constructor(options: ReplicaReadsOptions) {
    this.#options = options
  }

  get counts(): ShownReadCounts {
    return { replica: this.#replica, primary: this.#primary }
  }

  readonly ask: Ask = async (statement) => {
    if (!this.#isResting && !this.#isProbed) {
      const answer = await this.#askReplica(statement)
      if (answer !== undefined) return answer
    }
    this.#primary += 1
    if (this.#missed !== undefined) this.#missed += 1
    return this.#options.primary(statement)
  }

  /** At the start: that it is not there is told before anybody needs it. Rejects only when it is closed meanwhile. */
  async look(): Promise<void> {
    const link = this.#leastBusy()
    try {
      await link.once({ text: IS_STANDBY }, this.#options.readMs)
    } catch (error) {
      link.assertOpen()
      this.#rest(messageOf(error))
      link.moveOn()
    }
  }

  get #isResting(): boolean {
    return performance.now() < this.#restsUntilMs
  }

  async #askReplica(statement: Statement): Promise<Row[] | undefined> {
    const { positions } = this.#options
    const link = this.#leastBusy()
    const isProbe = this.#missed !== undefined
    if (isProbe) this.#isProbed = true
    let answer: Row[] | Unusable | undefined
    try {
      // A primary that is away is waited for, as by any read: nobody else knows what was acknowledged.
      const position = await positions.now()
      answer = await this.#attempt(link, statement, position)
    } catch (error) {
      link.assertOpen()
      answer = new Unusable(messageOf(error))
    } finally {
      if (isProbe) this.#isProbed = false
    }
    if (answer instanceof Unusable) {
      this.#rest(answer.why)
      link.moveOn()
      return undefined
    }
    if (answer === undefined) return undefined
    this.#replica += 1
    this.#tellUsable()
    return answer
  }

  /** Undefined: others have found that it cannot be used, or keep this connection busy. */
  async #attempt(
    link: PostgresLink,
    statement: Statement,
    position: PrimaryPosition,
  ): Promise<Row[] | Unusable | undefined> {
    const isBehindOthers = link.inFlight > 0
    const silence = Promise.withResolvers<Unusable | undefined>()
    let isOver = false
    const timer = setTimeout(() => {
      isOver = true
      if (isBehindOthers && this.#missed === undefined) {
        silence.resolve(undefined)
        return
      }
      silence.resolve(new Unusable(`it has said nothing for ${SILENT_MS} ms`))
      if (!isBehindOthers) link.giveUp()
    }, SILENT_MS)
    const answer = link.together(async (query) => {
      if (isOver || this.#isResting) return undefined
      return await answerOf(query, statement, position, () => clearTimeout(timer))
    }, this.#options.readMs)
    try {
      return await Promise.race([answer, silence.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  #leastBusy(): PostgresLink {
    const [first, ...others] = this.#options.links
    if (first === undefined) throw new Error('a replica has connections')
    return others.reduce((least, each) => (each.inFlight < least.inFlight ? each : least), first)
  }

  #rest(reason: string): void {
    const { logger, name } = this.#options
    this.#restsUntilMs = performance.now() + REST_MS
    if (this.#missed !== undefined) return
    this.#missed = 0
    logger.warn('the replica cannot be read: lists and history are read from the primary', {
      store: name,
      reason,
    })
  }

  #tellUsable(): void {
    const missed = this.#missed
    if (missed === undefined) return
    this.#missed = undefined
    const { logger, name } = this.#options
    logger.warn('the replica can be read again', { store: name, readsOfPrimary: missed })
  }
}

async function answerOf(
  query: Query,
  statement: Statement,
  position: PrimaryPosition,
  onFit: () => void,
): Promise<Row[] | Unusable> {
  const { lsn, sessions, incarnations, batches } = position
  // Without any there is nothing by which its history could be told from another.
  if (sessions.length === 0) return new Unusable('no session lives')
  const behind = await caughtUp(query, lsn, position.system)
  if (behind !== undefined) return behind
  const [found] = await query({
    name: 'perdure-has-batches',
    text: HAS_BATCHES,
    values: [sessions, incarnations, batches],
  })
  if (found?.has_all !== true) return new Unusable('it lacks commits of the primary: it follows another one')
  onFit()
  const rows = await query(statement)
  const [after] = await query({ name: 'perdure-is-standby', text: IS_STANDBY })
  return after?.is_standby === true ? rows : new Unusable(PROMOTED)
}

const PROMOTED = 'it is no standby any more'

/** Waits for a moment until the log is replayed up to there. */
async function caughtUp(query: Query, lsn: string, system: string): Promise<Unusable | undefined> {
  const endMs = performance.now() + CATCH_UP_MS
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
    const [row] = await query({ name: 'perdure-is-there', text: IS_THERE, values: [lsn] })
    if (row?.is_standby !== true) return new Unusable(PROMOTED)
    if (row.system !== system) return new Unusable('it is a standby of another database server')
    if (row.has_replayed === true) return undefined
    if (performance.now() + pauseMs > endMs) return new Unusable(`it is behind: it has not replayed ${lsn}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
