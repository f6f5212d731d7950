/** Tasks for tests. */
import { task } from '../../src/index.ts'

export const double = task({ name: 'double', run: (_, n: number) => n * 2 })

export const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** A task that ends when it is told. */
export function gate(name = 'gate') {
  const open: (() => void)[] = []
  const definition = task({
    name,
    run: (_, label: string) =>
      new Promise<string>((resolve) => {
        open.push(() => resolve(label))
      }),
  })
  return { task: definition, open }
}
