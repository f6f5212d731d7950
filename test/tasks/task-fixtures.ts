/** Tasks for tests. */
import { task } from '../../src/index.ts'
import type { Fault } from '../../src/testing.ts'

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

export const FAULT_KINDS = ['crash', 'crash-applied', 'unknown', 'unknown-applied', 'fenced'] as const

/** A fault of a test engine; `-applied`: the commit takes effect all the same. */
export function faultAt(kind: (typeof FAULT_KINDS)[number], commit: number): Fault {
  if (kind === 'fenced') return { kind, commit }
  const applied = kind.endsWith('-applied')
  return { kind: kind.startsWith('crash') ? 'crash' : 'unknown-commit', commit, applied }
}
