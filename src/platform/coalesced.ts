/**
 * Asks once for all that want to know at a time: whoever comes while an answer is on its way gets the next one, so that every
 * answer was asked for after the call.
 */
export function coalesced<T>(ask: () => Promise<T>): () => Promise<T> {
  let now: Promise<T> | undefined
  let next: Promise<T> | undefined
  const begin = (): Promise<T> => {
    next = undefined
    const asked = ask().finally(() => {
      if (now === asked) now = undefined
    })
    now = asked
    return asked
  }
  return () => {
    if (now === undefined) return begin()
    next ??= now.then(begin, begin)
    return next
  }
}
