/** What a process of `--processes N` tells the one that has started it. */

export type GroupReport =
  /** It listens. */
  | { readonly perdure: 'ready' }
  /** It ends without having listened. */
  | { readonly perdure: 'failed'; readonly why: string }

/** In the environment of processes that a group has started. */
export const IN_GROUP = 'PERDURE_IN_GROUP'

/**
 * Nobody is told where no group has started it. Resolves when it was handed over: the process may end then. It is all that is said:
 * an open channel could keep the process alive.
 */
export function reportToGroup(report: GroupReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.env[IN_GROUP] === undefined || process.send === undefined || !process.connected) {
      resolve()
      return
    }
    // Whoever has started it may have gone: then there is nobody to tell.
    process.send(report, () => {
      if (process.connected) process.disconnect()
      resolve()
    })
  })
}

/** Undefined: code of the user sends messages too. */
export function groupReportOf(message: unknown): GroupReport | undefined {
  const { perdure, why } = Object(message) as { readonly perdure?: unknown; readonly why?: unknown }
  if (perdure === 'ready') return { perdure }
  return perdure === 'failed' && typeof why === 'string' ? { perdure, why } : undefined
}
