/**
 * A program of the tests, with all that it imports, as a few files of plain JavaScript. Tests that kill a process hundreds
 * of times spend most of their time on starts: of 400 modules a process takes 0.36 s of the processor until its engine on
 * a file has run and is closed, of a bundle 0.19 s.
 *
 * 1. It is the code of the sources, in the same order: only who reads its own address (`import.meta.url`) sees another one.
 * 2. The writer thread of SQLite is beside it, where the store looks for it.
 * 3. Tests that are about the sources, about what is loaded when, or about the package do not run it.
 */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { buildSync } from 'esbuild'

const root = dirname(import.meta.dirname)
const bundles = new Map<string, string>()

/** Bundles a TypeScript program once in this process; it is removed when this process ends. Returns the file to run. */
export function bundledProgram(program: string): string {
  const known = bundles.get(program)
  if (known !== undefined) return known
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'perdure-bundle-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  buildSync({
    entryPoints: [program, join(root, 'src/store/sqlite/writer.ts')],
    outdir: folder,
    entryNames: '[name]',
    bundle: true,
    // What is imported when it is needed is loaded only then.
    splitting: true,
    platform: 'node',
    format: 'esm',
    conditions: ['perdure-source'],
    // Packages in the older format of modules load parts of Node by `require`.
    banner: {
      js: `import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`,
    },
    logLevel: 'error',
  })
  const bundled = join(folder, basename(program).replace(/\.ts$/, '.js'))
  bundles.set(program, bundled)
  return bundled
}
