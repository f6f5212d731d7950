/** A `where` that is put together: conditions, and the values of their parameters. */
export class Conditions {
  readonly values: unknown[] = []
  readonly #conditions: string[] = []

  /** The parameter that stands for the value. */
  value(value: unknown): string {
    this.values.push(value)
    return `$${this.values.length}`
  }

  add(condition: string): void {
    this.#conditions.push(condition)
  }

  /** Empty without conditions. */
  get sql(): string {
    return this.#conditions.length === 0 ? '' : `where ${this.#conditions.join(' and ')}`
  }
}
