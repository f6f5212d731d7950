/** Requests that were not recorded are repeated: their ids make that harmless. */
import { PerdureError } from '../protocol/errors.ts'

const ATTEMPTS = 5

export async function repeated<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      if (!isRepeatable(error, attempt)) throw error
    }
  }
}

export function isRepeatable(error: unknown, attempt: number): boolean {
  return error instanceof PerdureError && error.code === 'UNCOMMITTED' && attempt < ATTEMPTS
}
