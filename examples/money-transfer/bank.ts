/**
 * A small bank on a SQLite file of its own. Each operation has a key: the bank keeps it with the entry, in the same
 * transaction as the balance, so that an operation that is asked for again moves no money again.
 */
import { DatabaseSync } from 'node:sqlite'

/** The bank says no, and will say no again: nothing was moved. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
}

export class Bank implements Disposable {
  readonly #database: DatabaseSync

  constructor(path: string) {
    this.#database = new DatabaseSync(path)
    this.#database.exec(`
      pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full;
      create table if not exists account (
        name text primary key, balance integer not null check (balance >= 0), is_open integer not null) strict;
      create table if not exists entry (key text primary key, account text not null, amount integer not null) strict`)
  }

  openAccount(name: string, balanceCents: number, isOpen = true): void {
    const sql = 'insert into account values (?, ?, ?) on conflict do nothing'
    this.#database.prepare(sql).run(name, balanceCents, isOpen ? 1 : 0)
  }

  /** Pays in, or out if the amount is negative. Throws `RefusedError`. */
  post(account: string, amountCents: number, key: string): void {
    this.#database.exec('begin immediate')
    try {
      const entry = 'insert into entry values (?, ?, ?) on conflict do nothing'
      const isNew = this.#database.prepare(entry).run(key, account, amountCents).changes === 1
      if (isNew) this.#move(account, amountCents)
      this.#database.exec('commit')
    } catch (error) {
      this.#database.exec('rollback')
      throw error
    }
  }

  /** Of one account, or of all. */
  balance(account?: string): number {
    const sql = 'select coalesce(sum(balance), 0) as cents from account where name = coalesce(?, name)'
    return Number(this.#database.prepare(sql).get(account ?? null)?.cents)
  }

  get entries(): number {
    return Number(this.#database.prepare('select count(*) as entries from entry').get()?.entries)
  }

  #move(account: string, amountCents: number): void {
    const found = this.#database.prepare('select balance, is_open from account where name = ?').get(account)
    if (found === undefined) throw new RefusedError(`there is no account ${account}`)
    if (found.is_open === 0 && amountCents > 0) throw new RefusedError(`account ${account} is closed`)
    if (Number(found.balance) + amountCents < 0) throw new RefusedError(`account ${account} has too little`)
    const sql = 'update account set balance = balance + ? where name = ?'
    this.#database.prepare(sql).run(amountCents, account)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}
