/**
 * Inserts rows many at a time: a statement of 32 rows costs per row two thirds of a statement of one row, because each
 * run of a statement has a fixed price. What is left over goes in statements of 4 rows and of 1.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

const ROWS_PER_STATEMENT = [32, 4, 1] as const

interface InsertText {
  /** `insert into table (column, …)` */
  readonly into: string
  /** One row, e.g. `(?, ?, 1)`. */
  readonly row: string
  /** E.g. an `on conflict` clause. */
  readonly tail?: string
}

export class RowInserter {
  private readonly statements: readonly { readonly rows: number; readonly statement: StatementSync }[]
  private readonly perRow: number
  private values: SQLInputValue[] = []

  constructor(database: DatabaseSync, text: InsertText) {
    this.perRow = text.row.split('?').length - 1
    this.statements = ROWS_PER_STATEMENT.map((rows) => {
      const sql = `${text.into} values ${Array(rows).fill(text.row).join(', ')} ${text.tail ?? ''}`
      return { rows, statement: database.prepare(sql) }
    })
  }

  /** Adds values of one row, or of a part of it; they are written when a statement is full, or by `flush`. */
  add(...values: SQLInputValue[]): void {
    this.values.push(...values)
    if (this.values.length === ROWS_PER_STATEMENT[0] * this.perRow) this.flush()
  }

  flush(): void {
    const { values, perRow } = this
    let start = 0
    for (const { rows, statement } of this.statements) {
      const size = rows * perRow
      for (; values.length - start >= size; start += size) {
        statement.run(...(size === values.length ? values : values.slice(start, start + size)))
      }
    }
    values.length = 0
  }

  /** Forgets rows of a batch that is rolled back. */
  reset(): void {
    this.values.length = 0
  }
}
