/** What a process of `--processes N` tells the one that has started it. */

export type GroupReport =
  /** It listens. */
  | { readonly perdure: 'ready' }
  /** It ends without having listened. */
  | { readonly perdure: 'failed'; readonly why: string }

/** Nobody is told where nobody has started it so. Resolves when it was handed over: the process may end then. */
export function reportToGroup(report: GroupReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    // Whoever has started it may have gone: then there is nobody to tell.
    else process.send(report, () => resolve())
  })
}

/** Undefined: code of the user sends messages too. */
export function groupReportOf(message: unknown): GroupReport | undefined {
  const { perdure, why } = Object(message) as { readonly perdure?: unknown; readonly why?: unknown }
  if (perdure === 'ready') return { perdure }
  return perdure === 'failed' && typeof why === 'string' ? { perdure, why } : undefined
}
