// `npm run example -- NAME`: runs examples/NAME/main.ts on the sources of this repository.
//
// In a project of your own, `import … from 'perdure'` finds the installed package. Here it would find dist/, which is
// made by `npm run build`; the condition `perdure-source` of package.json points it at src/ instead.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { dirname, join } from 'node:path'

const names = globSync('*/main.ts', { cwd: import.meta.dirname })
  .map((path) => dirname(path))
  .toSorted()
const [name, ...args] = process.argv.slice(2)

if (name === '--help' || name === '-h') {
  console.log(usage())
} else if (name === undefined || !names.includes(name)) {
  console.error(name === undefined ? usage() : `There is no example ${JSON.stringify(name)}.\n${usage()}`)
  process.exitCode = 2
} else {
  process.exitCode = await run(join(import.meta.dirname, name, 'main.ts'))
}

function usage(): string {
  return `usage: npm run example -- NAME, where NAME is one of: ${names.join(', ')}`
}

async function run(file: string): Promise<number> {
  const child = spawn(process.execPath, ['--conditions=perdure-source', file, ...args], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // A terminal sends Ctrl-C to the whole group.
    process.on(
      signal,
      () => void (signal !== 'SIGINT' || !process.stdin.isTTY ? child.kill(signal) : undefined),
    )
  }
  const [code]: (number | null)[] = await once(child, 'exit')
  return code ?? 1
}
