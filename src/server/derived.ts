/** An object with some methods of its own; all others are those of the given one, with its own state. */
export function derived<T extends object>(on: T, methods: Partial<T>): T {
  return new Proxy(on, {
    get: (target, name) => {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
