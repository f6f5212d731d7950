const LIST_DEFAULT = 100
const LIST_LIMIT = 1000

/** At most, in a page of a list that was asked for with this limit. */
export function tasksOfPage(limit = LIST_DEFAULT): number {
  return Math.min(limit, LIST_LIMIT)
}
