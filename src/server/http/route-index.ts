/** Which methods a path takes. */

interface Entry {
  readonly method: string
  /** With `{names}`. */
  readonly path: string
}

export class RouteIndex {
  readonly #patterns: readonly { readonly method: string; readonly pattern: RegExp }[]

  constructor(entries: readonly Entry[]) {
    this.#patterns = entries.map(({ method, path }) => ({ method, pattern: patternOf(path) }))
  }

  methodsOf(path: string): readonly string[] {
    const found = this.#patterns.filter(({ pattern }) => pattern.test(path))
    return [...new Set(found.map(({ method }) => method))].sort()
  }
}

function patternOf(path: string): RegExp {
  const parts = path.split(/\{\w+\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('[^/]+')}$`)
}
