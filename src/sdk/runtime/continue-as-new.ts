/** Thrown by `ctx.continueAsNew`: no error, but the only way to leave a function for good. */
export class ContinueAsNew {
  readonly input: unknown

  constructor(input: unknown) {
    this.input = input
  }
}
