/**
 * Where the primary is: what a replica must have before it may answer for it.
 *
 * 1. The position of the log up to which it is flushed: each commit that was acknowledged, to whichever node, lies before it.
 * 2. Of each living session, the number of its last batch. A position alone is worth nothing on a server of another history,
 *    such as a standby of a primary that was replaced: there it counts other bytes. Batches, with the random incarnation of
 *    their session, are there or not.
 *
 * One answer serves all reads that began before it was asked for: under load that is one small query for many reads.
 */
import type { Row } from './postgres-link.ts'

export interface PrimaryPosition {
  readonly lsn: string
  readonly system: string
  /** Of equal length: sessions by id and incarnation, and their last batch; 0: none yet. */
  readonly sessions: readonly number[]
  readonly incarnations: readonly string[]
  readonly batches: readonly number[]
}

/** Flushed, not inserted: a standby is sent nothing else. */
export const POSITION = `
  select pg_current_wal_flush_lsn()::text as lsn,
    (select system_identifier::text from pg_control_system()) as system, living.*
  from (
    select coalesce(array_agg(id), '{}') as sessions, coalesce(array_agg(incarnation), '{}') as incarnations,
      coalesce(array_agg(last), '{}') as batches
    from (
      select id, incarnation,
        coalesce((select max(seq) from perdure.commit where session_id = session.id), 0) as last
      from perdure.session where fenced_at is null) as session) as living`

export class PrimaryPositions {
  readonly #ask: () => Promise<Row[]>
  #asking: Promise<unknown> | undefined
  #next: Promise<PrimaryPosition> | undefined

  /** @param ask asks the primary for `POSITION`, until it answers */
  constructor(ask: () => Promise<Row[]>) {
    this.#ask = ask
  }

  /** As it is when this is called, or later. */
  now(): Promise<PrimaryPosition> {
    // One that was asked for already may be older than what the caller was just told.
    this.#next ??= (this.#asking ?? Promise.resolve()).then(() => {
      this.#next = undefined
      const answer = this.#read()
      this.#asking = answer.catch(() => undefined)
      return answer
    })
    return this.#next
  }

  async #read(): Promise<PrimaryPosition> {
    const [row] = await this.#ask()
    return {
      lsn: String(row?.lsn),
      system: String(row?.system),
      // Of the type int8[], which the driver gives as texts.
      sessions: ((row?.sessions ?? []) as unknown[]).map(Number),
      incarnations: (row?.incarnations ?? []) as string[],
      batches: ((row?.batches ?? []) as unknown[]).map(Number),
    }
  }
}
