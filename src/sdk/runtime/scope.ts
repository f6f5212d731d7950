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
  }

  get reason(): string | undefined {
    if (this.#reason !== undefined || this.#uncancellable) return this.#reason
    return this.#parent?.reason
  }

  /** Made on first use: most executions never look at it. */
  get abortSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.reason !== undefined) this.#controller.abort(this.reason)
    }
    return this.#controller.signal
  }

  get hasAbortSignal(): boolean {
    return this.#controller !== undefined || this.#children?.some((child) => child.hasAbortSignal) === true
  }

  /** False if it was cancelled before. */
  cancel(reason: string): boolean {
    if (this.reason !== undefined) return false
    this.#reason = reason
    this.#abort(reason)
    return true
  }

  #abort(reason: string): void {
    for (const child of this.#children ?? [])
      if (!child.#uncancellable && child.#reason === undefined) child.#abort(reason)
    this.#controller?.abort(reason)
  }

  /** Whether cancelling this cancels what was begun in the other, even if that has ended since. */
  reaches(other: Scope): boolean {
    let scope: Scope | undefined = other
    while (scope !== undefined && scope !== this) scope = scope.#uncancellable ? undefined : scope.#parent
    return scope === this
  }

  /** Forgets a scope that has ended, so that loops over scopes do not grow the tree. */
  leave(): void {
    if (this.#parent === undefined || (this.#children?.length ?? 0) > 0) return
    const siblings = this.#parent.#children ?? []
    const place = siblings.indexOf(this)
    if (place >= 0) siblings.splice(place, 1)
  }
}
