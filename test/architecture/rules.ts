/**
 * The house rules that a machine can check, each a function from what it looks at to a list of faults.
 *
 * Biome checks the same import table while one types, by path patterns. Here the paths are resolved, so that the
 * table holds exactly, and files that Biome does not read are looked at too.
 */
import { posix } from 'node:path'
import { importsOf, type Token, tokensOf } from './source-tokens.ts'

export interface SourceFile {
  /** From the repository's root, with forward slashes. */
  readonly path: string
  readonly text: string
}

interface Layer {
  /** Layers, or folders of layers, that may be imported. `all` includes the entry points. */
  readonly imports: readonly string[] | 'all'
  /** Of these only types. */
  readonly typesOnly?: readonly string[]
  /** May it import `node:` modules and packages? */
  readonly outside: boolean
}

const everyLayer: Layer = { imports: 'all', outside: true }

/** The import table. A layer's own files are always allowed. */
export const layers: Readonly<Record<string, Layer>> = {
  protocol: { imports: [], outside: false },
  core: { imports: ['protocol'], outside: false },
  platform: { imports: ['protocol'], outside: true },
  store: { imports: ['protocol', 'core', 'platform'], typesOnly: ['core'], outside: true },
  engine: { imports: ['protocol', 'core', 'platform', 'store/contract'], outside: true },
  sdk: { imports: ['protocol', 'platform'], outside: true },
  dsl: { imports: ['sdk', 'protocol'], outside: true },
  lab: { imports: ['core', 'protocol', 'platform'], outside: true },
  server: everyLayer,
  cli: everyLayer,
}

const forbiddenInCore = new Set([
  'async',
  'await',
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'performance',
  'process',
  'crypto',
  'require',
])

const lineLimit = 500
const namesThatSayNothing = ['util', 'utils', 'helper', 'helpers', 'lib', 'common', 'manager', 'misc']

export const isTest = (path: string): boolean => path.endsWith('.test.ts')

/** Faults against the import table, for the files of src/. Tests may import what they like. */
export function importFaults(files: readonly SourceFile[]): string[] {
  return files.filter((file) => !isTest(file.path)).flatMap(importFaultsOf)
}

function importFaultsOf(file: SourceFile): string[] {
  const layerName = layerOf(file.path)
  // Files directly in src/ are entry points: they put the layers together and may import anything.
  const layer = layerName === undefined ? everyLayer : layers[layerName]
  if (layer === undefined) return [`${file.path}: src/${layerName}/ is not a layer of the import table`]
  const faults: string[] = []
  for (const { specifier, line, typeOnly } of importsOf(tokensOf(file.text))) {
    const fault = faultOfImport(file.path, layer, specifier, typeOnly)
    if (fault !== undefined) faults.push(`${file.path}:${line}: ${fault}`)
  }
  return faults
}

function faultOfImport(from: string, layer: Layer, specifier: string, typeOnly: boolean): string | undefined {
  if (specifier === 'perdure' || specifier.startsWith('perdure/'))
    return `imports its own package, ${specifier}`
  if (!specifier.startsWith('.')) {
    return layer.outside ? undefined : `src/${layerOf(from)}/ imports ${specifier} from outside`
  }
  const target = resolveImport(from, specifier)
  if (!/\.(ts|json)$/.test(specifier)) return `${specifier} must be written with its extension`
  if (!target.startsWith('src/')) return `${specifier} leaves src/`
  if (isTest(target)) return `${specifier} is a test`
  const own = layerOf(from)
  const other = layerOf(target)
  if (own === 'core' && other === 'core' && folderOf(from) !== folderOf(target))
    return `${folderOf(from)} imports ${target}; the folders of core do not import each other`
  if (own === other || own === undefined) return undefined
  if (own === 'server' && other === 'cli') return `server imports ${target}; it may import everything but cli`
  if (layer.imports === 'all') return undefined
  const allowed = layer.imports.find((entry) => target.startsWith(`src/${entry}/`))
  if (allowed === undefined)
    return `${own} imports ${target}; it may import ${layer.imports.join(', ') || 'nothing'}`
  if (layer.typesOnly?.includes(allowed) && !typeOnly) return `${own} may import only types from ${allowed}`
  return undefined
}

/** `src/core/queue/fcfs.ts` is in the layer `core`; `src/index.ts` is in none. */
function layerOf(path: string): string | undefined {
  const [, layer, ...rest] = path.split('/')
  return rest.length === 0 ? undefined : layer
}

/** `src/core/queue/fcfs.ts` is in the folder `src/core/queue`. */
function folderOf(path: string): string {
  return path.split('/').slice(0, 3).join('/')
}

function resolveImport(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier)
}

/** What makes core impure: asynchrony, clocks, timers, randomness, the process. */
export function purityFaults(files: readonly SourceFile[]): string[] {
  const core = files.filter((file) => file.path.startsWith('src/core/') && !isTest(file.path))
  return core.flatMap((file) => {
    const tokens = tokensOf(file.text)
    return tokens.flatMap((token, index) => {
      const name = impurityAt(tokens, index)
      return name === undefined ? [] : [`${file.path}:${token.line}: core must not use ${name}`]
    })
  })
}

function impurityAt(tokens: readonly Token[], index: number): string | undefined {
  const token = tokens[index]
  if (token?.kind !== 'word') return undefined
  const before = tokens[index - 1]?.text
  if (token.text === 'random' && before === '.' && tokens[index - 2]?.text === 'Math') return 'Math.random'
  if (!forbiddenInCore.has(token.text) || before === '.') return undefined
  const after = tokens[index + 1]?.text
  const afterNext = tokens[index + 2]?.text
  // `{ process: 1 }`, `process?: string`: the name of a property, not the thing.
  const isProperty = (after === ':' && before !== '?') || (after === '?' && afterNext === ':')
  return isProperty ? undefined : token.text
}

/** Import cycles, types included: files that name each other are one concept or need a third. */
export function cycleFaults(files: readonly SourceFile[]): string[] {
  const known = new Set(files.map((file) => file.path))
  const edges = new Map<string, string[]>()
  for (const file of files) {
    const targets = importsOf(tokensOf(file.text)).filter((imported) => imported.specifier.startsWith('.'))
    const paths = targets.map((imported) => resolveImport(file.path, imported.specifier))
    edges.set(
      file.path,
      [...new Set(paths)].filter((path) => known.has(path)),
    )
  }
  const faults: string[] = []
  const done = new Set<string>()
  for (const start of known) walk(start, [], edges, done, faults)
  return faults
}

function walk(
  path: string,
  trail: readonly string[],
  edges: ReadonlyMap<string, readonly string[]>,
  done: Set<string>,
  faults: string[],
): void {
  const first = trail.indexOf(path)
  if (first !== -1) faults.push(`import cycle: ${[...trail.slice(first), path].join(' -> ')}`)
  if (first !== -1 || done.has(path)) return
  for (const next of edges.get(path) ?? []) walk(next, [...trail, path], edges, done, faults)
  done.add(path)
}

/** Names: kebab-case, and a name that says what the file is. */
export function nameFaults(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const faults: string[] = []
    for (const part of path.split('/')) {
      if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/.test(part)) {
        faults.push(`${path}: "${part}" is not kebab-case`)
      }
      const words = part.split(/[-.]/).slice(0, part.includes('.') ? -1 : undefined)
      const empty = words.find((word) => namesThatSayNothing.includes(word))
      if (empty !== undefined) faults.push(`${path}: "${empty}" says nothing about what is inside`)
    }
    return faults
  })
}

export function lengthFaults(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const lines = file.text.replace(/\n$/, '').split('\n').length
    return lines > lineLimit ? [`${file.path}: ${lines} lines, at most ${lineLimit}`] : []
  })
}

const rootEntryLimit = 17
const rootConfigLimit = 8
const rootDocument = /^(LICENSE|NOTICE|.*\.md)$/

/** The repository's root stays small: `paths` are all tracked files. */
export function rootFaults(paths: readonly string[]): string[] {
  const entries = [...new Set(paths.map((path) => path.split('/')[0] ?? ''))]
  const configs = paths.filter((path) => !path.includes('/') && !rootDocument.test(path))
  const faults: string[] = []
  if (entries.length > rootEntryLimit) {
    faults.push(`the root has ${entries.length} entries, at most ${rootEntryLimit}: ${entries.join(' ')}`)
  }
  if (configs.length > rootConfigLimit) {
    faults.push(
      `the root has ${configs.length} configuration files, at most ${rootConfigLimit}: ${configs.join(' ')}`,
    )
  }
  return faults
}

// Written so that this file does not contain what it looks for.
const machinePath = /(?<![\w.-])\/(?:work\/|tmp\/proto)/

/** Paths of one developer's machine have no place in the project. */
export function machinePathFaults(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    file.text.split('\n').flatMap((line, index) => {
      const found = machinePath.exec(line)
      return found === null ? [] : [`${file.path}:${index + 1}: machine path ${found[0]}`]
    }),
  )
}
