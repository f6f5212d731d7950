/** Cancellation scopes: a tree; cancelling one cancels all below it, except what is uncancellable. */

export class Scope {
  readonly #parent: Scope | undefined
  readonly #uncancellable: boolean
  #children: Scope[] | undefined
  #reason: string | undefined
  #controller: AbortController | undefined

  constructor(parent?: Scope, uncancellable = false) {
    this.#parent = parent
    this.#uncancellable = uncancellable
    if (parent === undefined) return
    parent.#children ??= []
    parent.#children.push(this)
    if (!uncancellable) this.#reason = parent.#reason
  }

  get reason(): string | undefined {
    return this.#reason
  }

  /** Made on first use: most executions never look at it. */
  get abortSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  get hasAbortSignal(): boolean {
    return this.#controller !== undefined || this.#children?.some((child) => child.hasAbortSignal) === true
  }

  /** The scopes that became cancelled by this call, this one first. */
  cancel(reason: string): Scope[] {
    if (this.#reason !== undefined) return []
    this.#reason = reason
    const cancelled: Scope[] = [this]
    for (const child of this.#children ?? [])
      if (!child.#uncancellable) cancelled.push(...child.cancel(reason))
    this.#controller?.abort(reason)
    return cancelled
  }

  /** Forgets a scope that has ended, so that loops over scopes do not grow the tree. */
  leave(): void {
    if (this.#parent === undefined || (this.#children?.length ?? 0) > 0) return
    const siblings = this.#parent.#children ?? []
    const place = siblings.indexOf(this)
    if (place >= 0) siblings.splice(place, 1)
  }
}
