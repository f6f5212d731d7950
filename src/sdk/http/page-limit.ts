/** Pages of the REST API: it refuses larger ones, where an embedded engine gives what it has. */

const MOST = 1000

export function pageLimit<T extends number | undefined>(limit: T): T | number {
  return limit === undefined ? limit : Math.min(limit, MOST)
}
