export type OutgoingTrouble =
  /** The URL is none, or not of HTTP. */
  | 'url-invalid'
  | 'address-refused'
  | 'timeout'
  | 'answer-too-large'
  /** Name not found, connection refused or cut, certificate not trusted. */
  | 'unreachable'

export class OutgoingError extends Error {
  override readonly name = 'OutgoingError'
  readonly trouble: OutgoingTrouble

  constructor(trouble: OutgoingTrouble, message: string, options?: ErrorOptions) {
    super(message, options)
    this.trouble = trouble
  }
}
