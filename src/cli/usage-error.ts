/** A command line that cannot be understood: exit code 2, with a way out. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly remedy: string | undefined

  constructor(message: string, remedy?: string) {
    super(message)
    this.remedy = remedy
  }
}
