/** What throws in a call from outside is a failure of the engine itself. */
export function guardedBy<A extends unknown[]>(
  fail: (error: unknown) => void,
  call: (...args: A) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      call(...args)
    } catch (error) {
      fail(error)
    }
  }
}
