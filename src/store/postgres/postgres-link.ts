/**
 * One connection to the database, made anew when it is lost.
 *
 * 1. It is one to a server that takes writes: a standby is passed over, and the next host is tried. One of reads is the
 *    opposite: it is to a standby only.
 * 2. A query that has had no answer for its time takes its connection down with it: nothing waits for a network that has
 *    swallowed it. What became of the query is unknown then. The next host is tried first: a primary that was replaced and
 *    lives on takes connections and writes, but no standby confirms these any more. Connecting and closing have a limit
 *    too.
 * 3. All connections of a store are to servers of one timeline: see `Timeline`.
 * 4. Each setting that safety depends on is set, or checked where a pooler forbids setting it.
 */
import pg from 'pg'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { isOutage, messageOf, storeFailed } from './postgres-error.ts'
import type { PostgresHost, PostgresTarget, ServerKind } from './postgres-url.ts'
import type { Timeline } from './timeline.ts'

const CONNECT_MS = 5000
const TRANSACTION_MS = 60_000
const BEGIN = 'begin isolation level read committed'
/** What is under way at the end has this long for its answer. */
const CLOSE_MS = 15_000
/** The server has this long to end its side of a connection. */
const GOODBYE_MS = 1000
const FIRST_DELAY_MS = 20
const LONGEST_DELAY_MS = 1000
/** A person is told of an outage so often. */
const OUTAGE_LOG_MS = 5000

/**
 * A stopped owner must hold no lock for long (`idle_in_transaction_session_timeout`), nor wait for one; a server must notice
 * that its client is gone (`tcp_*`, its side of the connection).
 */
const SETTINGS: Readonly<Record<string, string>> = {
  default_transaction_isolation: 'read committed',
  lock_timeout: '5s',
  idle_in_transaction_session_timeout: '10s',
  tcp_user_timeout: '10s',
  tcp_keepalives_idle: '5',
  tcp_keepalives_interval: '2',
  tcp_keepalives_count: '3',
  // A commit is never cancelled; a query that takes too long ends with its connection.
  statement_timeout: '0',
}

export interface LinkOptions {
  readonly target: PostgresTarget
  /** Shown by `pg_stat_activity`. */
  readonly purpose: string
  readonly logger: Logger
  /** Shared by all connections of a store. */
  readonly timeline: Timeline
  readonly settings?: Readonly<Record<string, string>>
  /** What its server is there for. Default `'writes'`: a primary. */
  readonly serves?: ServerKind
  /** How long connecting to one host may take, ms. Default 5,000. */
  readonly connectMs?: number
}

/** For people. */
export interface ConnectionState {
  /** What it is for, such as `commit` or `read`. */
  readonly purpose: string
  readonly isConnected: boolean
  /** Queries without an answer yet. */
  readonly inFlight: number
}

export interface TransactionOptions {
  /** Default: READ COMMITTED. */
  readonly begin?: string
  /** After so long it ends with its connection, ms. Default 60,000. */
  readonly limitMs?: number
}

export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
  /** Prepared once for each connection under this name, unless a pooler is between. */
  readonly name?: string
  /** Sent to a server of this timeline only: what it says was true there. */
  readonly timeline?: number
}

export type Row = Readonly<Record<string, unknown>>

export type Query = (statement: Statement) => Promise<Row[]>

export interface Answer {
  readonly rows: Row[]
  /** The server has sent a warning with it, as when the wait for a standby was cancelled. */
  readonly isWarned: boolean
}

interface Connected {
  readonly client: pg.Client
  warnings: number
}

export class PostgresLink {
  readonly #options: LinkOptions
  #connected: Promise<Connected> | undefined
  /** That of `#connected`, once its server is known to be the right one. */
  #client: pg.Client | undefined
  #hostIndex = 0
  #closed = false
  #inFlight = 0
  /** Ends with the query that was asked last. */
  #tail: Promise<unknown> = Promise.resolve()
  #outageToldMs = 0
  readonly #sleepers = new Set<() => void>()

  constructor(options: LinkOptions) {
    this.#options = options
    // Hosts of reads are others.
    if ((options.serves ?? 'writes') === 'writes')
      options.timeline.onNewer((host) => {
        this.#hostIndex = host
        this.#leave()
      })
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get state(): ConnectionState {
    const { purpose } = this.#options
    return { purpose, isConnected: this.#client !== undefined, inFlight: this.#inFlight }
  }

  /** All that was asked has been answered. */
  async whenIdle(): Promise<void> {
    await this.#tail
  }

  /** Runs it again, on another connection, until the database has answered: for what may happen twice. */
  async persist<T>(run: () => Promise<T>): Promise<T> {
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS)) {
      try {
        return await run()
      } catch (error) {
        this.assertOpen()
        if (!isOutage(error)) throw storeFailed(this.#options.target.name, error)
        this.#tellOutage(error)
        await this.#sleep(delayMs)
        this.assertOpen()
      }
    }
  }

  /** Asked once, after those that were asked before. */
  once(statement: Statement, timeoutMs: number): Promise<Answer> {
    return this.#inTurn(() => this.#send(statement, timeoutMs))
  }

  /** Statements of one transaction, one after the other; nothing that is asked meanwhile comes between them. */
  transaction<T>(run: (query: Query) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return this.#inTurn(() => this.#transact(run, { begin: BEGIN, ...options }))
  }

  /** The same on one server, each statement for itself: with a pooler between, that takes a transaction. */
  together<T>(run: (query: Query) => Promise<T>, limitMs: number): Promise<T> {
    const begin = this.#options.target.isPooled ? BEGIN : undefined
    return this.#inTurn(() => this.#transact(run, { begin, limitMs }))
  }

  /** The next query is sent to the next host, if there are several. */
  moveOn(): void {
    if (this.#options.target.hosts.length === 1) return
    this.#hostIndex += 1
    this.#leave()
  }

  /** What waits for an answer on the connection that there is gets an error of the connection; the next host is tried first. */
  giveUp(): void {
    this.#hostIndex += 1
    this.#leave()
  }

  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    this.assertOpen()
    this.#inFlight += 1
    const answer = this.#tail.then(ask)
    this.#tail = answer.catch(() => undefined)
    try {
      return await answer
    } finally {
      this.#inFlight -= 1
    }
  }

  async #send({ text, values = [], name, timeline }: Statement, timeoutMs: number): Promise<Answer> {
    const connected = await this.connect()
    if (timeline !== undefined && timeline !== this.#options.timeline.newest)
      throw Object.assign(new Error('the server was replaced by another one'), { code: 'EREPLACED' })
    const { client } = connected
    const warnings = connected.warnings
    const timer = setTimeout(() => {
      if (this.#client === client) this.#hostIndex += 1
      this.#cut(client)
    }, timeoutMs)
    try {
      const isNamed = name !== undefined && !this.#options.target.isPooled
      const query = { text, values: values as unknown[] }
      const { rows } = await client.query<Row>(isNamed ? { ...query, name } : query)
      return { rows, isWarned: connected.warnings > warnings }
    } catch (error) {
      // A connection on which something fatal happened is gone, whether the driver has noticed or not.
      if (isOutage(error)) this.#cut(client)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #transact<T>(
    run: (query: Query) => Promise<T>,
    { begin, limitMs = TRANSACTION_MS }: { readonly begin: string | undefined; readonly limitMs?: number },
  ): Promise<T> {
    const { client } = await this.connect()
    const timer = setTimeout(() => this.#cut(client), limitMs)
    try {
      if (begin !== undefined) await client.query(begin)
      const result = await run(async ({ text, values = [], name }) => {
        const isNamed = name !== undefined && !this.#options.target.isPooled
        const query = { text, values: values as unknown[] }
        return (await client.query<Row>(isNamed ? { ...query, name } : query)).rows
      })
      if (begin !== undefined) await client.query('commit')
      return result
    } catch (error) {
      this.#cut(client)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async connect(): Promise<Connected> {
    this.#connected ??= this.#connectAnew().catch((error) => {
      this.#connected = undefined
      throw error
    })
    return this.#connected
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const wake of this.#sleepers) wake()
    const timer = setTimeout(() => this.#leave(), CLOSE_MS)
    await this.#tail
    clearTimeout(timer)
    const connected = await this.#connected?.catch(() => undefined)
    if (connected === undefined) return
    const goodbye = setTimeout(() => this.#cut(connected.client), GOODBYE_MS)
    await connected.client.end().catch(() => undefined)
    clearTimeout(goodbye)
  }

  /** Ends the connection that there is, and what waits on it; not one that is being made. */
  #leave(): void {
    if (this.#client !== undefined) this.#cut(this.#client)
  }

  assertOpen(): void {
    if (this.#closed)
      throw new PerdureError('ENGINE_CLOSED', `The store ${this.#options.target.name} is closed`)
  }

  async #connectAnew(): Promise<Connected> {
    const { hosts } = this.#options.target
    const failures: string[] = []
    let last: unknown
    for (let tried = 0; tried < hosts.length; tried++) {
      const index = this.#hostIndex % hosts.length
      const host = hosts[index]
      if (host === undefined) break
      try {
        return await this.#connectTo(host, index)
      } catch (error) {
        last = error
        failures.push(`${host.name}: ${messageOf(error)}`)
        // Another connection may have found the primary meanwhile.
        if (this.#hostIndex % hosts.length === index) this.#hostIndex += 1
      }
    }
    if (failures.length === 1) throw last
    throw Object.assign(new Error(failures.join('; '), { cause: last }), { code: 'EHOSTS' })
  }

  async #connectTo(host: PostgresHost, index: number): Promise<Connected> {
    const { target, purpose, settings, serves = 'writes', connectMs = CONNECT_MS } = this.#options
    const client = new pg.Client({
      connectionString: host.url,
      application_name: `perdure ${purpose}`,
      connectionTimeoutMillis: connectMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: CONNECT_MS,
      types: { getTypeParser },
      ...(target.isPooled ? {} : { options: optionsOf({ ...SETTINGS, ...settings }) }),
    })
    const connected: Connected = { client, warnings: 0 }
    client.on('notice', ({ severity }) => {
      if (severity === 'WARNING') connected.warnings += 1
    })
    client.on('error', () => this.#forget(client))
    client.on('end', () => this.#forget(client))
    // The driver watches its greeting only: the network may go dark after it.
    const timer = setTimeout(() => endSocketOf(client), 2 * connectMs)
    try {
      await client.connect()
      const { rows } = await client.query<Row>(CHECK)
      const [server = {}] = rows
      if (serves === 'writes') {
        checkServer(server, target)
        this.#options.timeline.admit(Number.parseInt(String(server.timeline), 16), index)
      } else if (serves === 'reads' && server.standby !== true)
        throw Object.assign(new Error('it is no standby, or was promoted'), { code: 'EPRIMARY' })
      this.#client = client
    } catch (error) {
      client.end().catch(() => undefined)
      throw error
    } finally {
      clearTimeout(timer)
    }
    return connected
  }

  #forget(client: pg.Client): void {
    const known = this.#connected
    known?.then(
      (connected) => {
        if (connected.client === client && this.#connected === known) this.#connected = undefined
      },
      () => undefined,
    )
  }

  /** Ends the connection at once: what waits for an answer on it gets an error of the connection. */
  #cut(client: pg.Client): void {
    if (this.#client === client) this.#client = undefined
    const known = this.#connected
    this.#connected = undefined
    // Another one may have been made by now.
    known?.then(
      (connected) => {
        if (connected.client !== client) this.#connected ??= known
      },
      () => undefined,
    )
    endSocketOf(client)
  }

  #tellOutage(error: unknown): void {
    const nowMs = performance.now()
    if (this.#outageToldMs !== 0 && nowMs - this.#outageToldMs < OUTAGE_LOG_MS) return
    this.#outageToldMs = nowMs
    const { logger, target } = this.#options
    logger.warn('the database does not answer: trying again', {
      store: target.name,
      reason: messageOf(error),
    })
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#sleepers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, delayMs)
      this.#sleepers.add(wake)
    })
  }
}

const CHECK = `
  select pg_is_in_recovery() as standby,
    case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_lsn()), 8) end as timeline,
    current_setting('statement_timeout') as statement_timeout, current_setting('server_version_num')::int as version,
    current_setting('server_encoding') as encoding, current_setting('synchronous_commit') as sync,
    current_setting('default_transaction_isolation') as isolation`

const OLDEST_VERSION = 14

function checkServer(row: Row, target: PostgresTarget): void {
  if (row.standby === true) throw Object.assign(new Error('it is a standby'), { code: 'ESTANDBY' })
  const refuse = (why: string): never => {
    throw new PerdureError('STORE_INVALID', `${target.name}: ${why}`)
  }
  if (Number(row.version) < OLDEST_VERSION * 10_000)
    refuse(`PostgreSQL ${OLDEST_VERSION} or newer is needed, this is ${Number(row.version) / 10_000}`)
  if (row.encoding !== 'UTF8') refuse(`the encoding of the database must be UTF8, it is ${row.encoding}`)
  if (row.sync === 'off')
    refuse('synchronous_commit is off, so that acknowledged work could be lost: set it to on for this user')
  if (row.statement_timeout !== '0')
    refuse(
      `statement_timeout must be 0 for this user, it is ${row.statement_timeout}: a commit is never cancelled`,
    )
  if (row.isolation !== 'read committed')
    refuse(`default_transaction_isolation must be 'read committed' for this user, it is '${row.isolation}'`)
}

function optionsOf(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
    .join(' ')
}

const INT8 = 20

/** Integers are safe ones: numbers, not texts. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === INT8 && format !== 'binary'
    ? Number
    : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser

/** Whoever waits for an answer gets an error of the connection. */
function endSocketOf(client: pg.Client): void {
  const { connection } = client as unknown as { connection?: { stream?: { destroy(error: Error): void } } }
  connection?.stream?.destroy(
    Object.assign(new Error('Connection terminated: no answer'), { code: 'ETIMEDOUT' }),
  )
}
