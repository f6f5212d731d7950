/**
 * Reads just enough of a TypeScript file for the house rules: its words and marks, without comments.
 *
 * TypeScript 7 has no parser for programs to call, and a regular expression over the text would trip over comments,
 * strings and templates. So the text is cut into tokens once. The one guess is where a slash starts a regular
 * expression: it does when what stands before it cannot end an expression.
 */

export interface Token {
  readonly kind: 'word' | 'string' | 'mark'
  /** The word, the text inside the quotes, or the single character. Templates and regular expressions are marks. */
  readonly text: string
  readonly line: number
}

/** One `import`, `export ... from` or `import(...)` of a file. */
export interface ImportedModule {
  readonly specifier: string
  readonly line: number
  /** True when the whole statement is `import type` or `export type`: nothing of it is left at run time. */
  readonly typeOnly: boolean
}

const wordPattern = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*/uy
const numberPattern = /\d[\w.]*/y
const regexPattern = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
const wordsBeforeRegex = new Set([
  'return',
  'case',
  'typeof',
  'in',
  'of',
  'do',
  'else',
  'void',
  'throw',
  'await',
  'yield',
])

export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  // Depth of braces inside each open template substitution, innermost last.
  const templateBraces: number[] = []
  let at = 0
  let line = 1

  const take = (kind: Token['kind'], text: string, length: number): void => {
    tokens.push({ kind, text, line })
    skip(length)
  }
  const skip = (length: number): void => {
    for (let index = at; index < at + length; index++) if (source[index] === '\n') line++
    at += length
  }
  const matchHere = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(source)?.[0]
  }
  const takeTemplate = (): void => {
    const length = templateLength(source, at)
    const opensSubstitution = source.startsWith('${', at + length - 2)
    take('mark', '`', length)
    if (opensSubstitution) templateBraces.push(0)
  }

  while (at < source.length) {
    const character = source.charAt(at)
    const word = matchHere(wordPattern)
    const number = word === undefined ? matchHere(numberPattern) : undefined
    const depth = templateBraces.at(-1)
    if (/\s/.test(character)) skip(1)
    else if (source.startsWith('//', at)) skip(untilLineEnd(source, at))
    else if (source.startsWith('/*', at)) skip(untilCommentEnd(source, at))
    else if (word !== undefined) take('word', word, word.length)
    else if (number !== undefined) take('mark', '0', number.length)
    else if (character === "'" || character === '"') {
      const length = stringLength(source, at)
      take('string', source.slice(at + 1, at + length - 1), length)
    } else if (character === '`') takeTemplate()
    else if (character === '}' && depth === 0) {
      templateBraces.pop()
      takeTemplate()
    } else {
      if (depth !== undefined && character === '{') templateBraces.push((templateBraces.pop() ?? 0) + 1)
      if (depth !== undefined && character === '}') templateBraces.push((templateBraces.pop() ?? 0) - 1)
      const regex = character === '/' && regexMayStart(tokens.at(-1)) ? matchHere(regexPattern) : undefined
      take('mark', regex === undefined ? character : '/', regex?.length ?? 1)
    }
  }
  return tokens
}

export function importsOf(tokens: readonly Token[]): ImportedModule[] {
  const imports: ImportedModule[] = []
  for (const [index, token] of tokens.entries()) {
    const isStatement = token.kind === 'word' && (token.text === 'import' || token.text === 'export')
    if (!isStatement || tokens[index - 1]?.text === '.') continue
    const found = moduleNamedBy(tokens, index)
    if (found !== undefined) imports.push(found)
  }
  return imports
}

function moduleNamedBy(tokens: readonly Token[], start: number): ImportedModule | undefined {
  const { text, line } = tokens[start] ?? { text: '', line: 0 }
  const next = tokens[start + 1]
  if (next?.kind === 'string')
    return text === 'import' ? { specifier: next.text, line, typeOnly: false } : undefined
  const argument = tokens[start + 2]
  if (text === 'import' && next?.text === '(' && argument?.kind === 'string') {
    return { specifier: argument.text, line, typeOnly: false }
  }
  const typeOnly = next?.text === 'type' && argument?.text !== 'from' && argument?.text !== ','
  // From here only names, braces, commas and stars lead to `from '...'`; anything else is another statement.
  for (let index = start + 1; index < tokens.length; index++) {
    const token = tokens[index]
    if (token === undefined) return undefined
    const after = tokens[index + 1]
    if (token.text === 'from' && after?.kind === 'string') return { specifier: after.text, line, typeOnly }
    if (token.kind === 'mark' && !['{', '}', ',', '*'].includes(token.text)) return undefined
    if (token.kind === 'word' && ['import', 'export', 'const', 'function', 'class'].includes(token.text))
      return undefined
  }
  return undefined
}

function regexMayStart(before: Token | undefined): boolean {
  if (before === undefined) return true
  if (before.kind === 'word') return wordsBeforeRegex.has(before.text)
  return before.kind === 'mark' && ![')', ']', '}', '0', '`', '/'].includes(before.text)
}

function untilLineEnd(source: string, at: number): number {
  const end = source.indexOf('\n', at)
  return (end === -1 ? source.length : end) - at
}

function untilCommentEnd(source: string, at: number): number {
  const end = source.indexOf('*/', at + 2)
  return (end === -1 ? source.length : end + 2) - at
}

function stringLength(source: string, at: number): number {
  const quote = source[at]
  let end = at + 1
  while (end < source.length && source[end] !== quote && source[end] !== '\n')
    end += source[end] === '\\' ? 2 : 1
  return Math.min(end + 1, source.length) - at
}

/** Length from a backtick, or from the brace that ends a substitution, up to the next `${` or the closing backtick. */
function templateLength(source: string, at: number): number {
  let end = at + 1
  while (end < source.length) {
    if (source[end] === '`') return end + 1 - at
    if (source.startsWith('${', end)) return end + 2 - at
    end += source[end] === '\\' ? 2 : 1
  }
  return source.length - at
}
