/**
 * What is kept of a request that came with an idempotency key, beside what it has started: so a repeat is known, also after
 * a restart and at another node, and so is another request that came with the same key.
 */
export interface RequestMark {
  /** Hash of the key. */
  readonly key: string
  /** Hash of what was asked. */
  readonly body: string
}

/** What a request with this mark is to one that left the other mark. */
export function repeatOf(
  mark: RequestMark | undefined,
  left: RequestMark | undefined,
): 'same' | 'other-body' | 'other' {
  if (mark === undefined || left === undefined || mark.key !== left.key) return 'other'
  return mark.body === left.body ? 'same' : 'other-body'
}
