/**
 * The documentation of the API as pages: made of the OpenAPI document, without scripts, and without anything from elsewhere.
 */
import { ERROR_CATALOGUE, type ErrorCode } from '../../protocol/errors.ts'
import { exampleOf } from './docs-example.ts'
import type { OpenApiDocument, Operation, Schema } from './open-api-document.ts'
import { titleOf } from './problem.ts'
import type { Page, PageAnswer } from './route.ts'

interface Placed extends Operation {
  readonly method: string
  readonly path: string
}

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
}

const STYLE = `:root{color-scheme:light dark;--line:#8884;--dim:#777;--code:#8882}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}
h1{font-size:1.6rem}h2{font-size:1.3rem;margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{font-size:1.05rem;margin:1rem 0 .3rem}
code,pre{font:14px/1.45 ui-monospace,monospace;background:var(--code);border-radius:4px}
code{padding:.1em .3em}pre{padding:.7rem;overflow-x:auto}pre code{background:none;padding:0}
table{border-collapse:collapse;width:100%}td,th{border-top:1px solid var(--line);padding:.3rem .5rem;text-align:left;vertical-align:top}
details{border-top:1px solid var(--line);padding:.4rem 0}summary{cursor:pointer}
.method{display:inline-block;min-width:4.2rem;font-weight:600}.dim{color:var(--dim)}nav a{margin-right:1rem}`

/** @param text of the document, as it is served */
export function docsPages(document: OpenApiDocument, text: string): readonly Page[] {
  const page = (path: string, type: string, body: () => string): Page => {
    let made: string | undefined
    const answer = async (): Promise<PageAnswer> => {
      made ??= body()
      return { type, body: made, headers: HEADERS }
    }
    return { path, isPublic: true, answer }
  }
  return [
    page('/openapi.json', 'application/json', () => text),
    page('/docs', 'text/html', () => operationsPage(document)),
    page('/docs/schemas', 'text/html', () => schemasPage(document)),
    page('/docs/errors', 'text/html', errorsPage),
    page('/docs/style.css', 'text/css', () => STYLE),
  ]
}

function layout(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escaped(title)}</title><link rel="stylesheet" href="/docs/style.css"></head>
<body>
<nav><a href="/docs">Operations</a><a href="/docs/schemas">Schemas</a><a href="/docs/errors">Errors</a><a href="/openapi.json">openapi.json</a></nav>
${body}
</body>
</html>
`
}

function operationsPage({ info, tags, paths, components }: OpenApiDocument): string {
  const operations: Placed[] = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      ...operation,
    })),
  )
  const groups = tags.map(({ name }) => {
    const own = operations.filter((each) => each.tags.includes(name))
    return `<h2 id="${anchor(name)}">${escaped(name)}</h2>\n${own.map((each) => operationHtml(each, components)).join('\n')}`
  })
  const contents = tags.map(({ name }) => `<a href="#${anchor(name)}">${escaped(name)}</a>`).join(' ')
  return layout(
    `${info.title} API`,
    `<h1>${escaped(info.title)} API <span class="dim">${escaped(info.version)}</span></h1>
${paragraphs(info.description)}
<nav>${contents}</nav>
${groups.join('\n')}`,
  )
}

function operationHtml(operation: Placed, components: OpenApiDocument['components']): string {
  const { operationId, method, path, summary, description, parameters, requestBody, responses } = operation
  const body = requestBody?.content['application/json']?.schema
  const rows = parameters.map(
    ({ name, in: place, required, description: text = '', schema, content }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${place}${required === true ? ', required' : ''}</td><td>${typeHtml(schema ?? content?.['application/json']?.schema ?? {})}</td><td>${inline(text)}</td></tr>`,
  )
  const answers = Object.entries(responses).map(([status, response]) => {
    const { $ref } = response
    const { description: text = '', content = {} } =
      ($ref === undefined ? response : components.responses[$ref.slice($ref.lastIndexOf('/') + 1)]) ?? {}
    const [entry] = Object.entries(content)
    const type = entry === undefined ? '' : typeHtml(entry[1].schema)
    return `<tr><td>${escaped(status)}</td><td>${inline(text)}</td><td>${type}</td></tr>`
  })
  const example = exampleOf({ method, path, parameters, body, schemas: components.schemas })
  return `<details id="${escaped(operationId)}"><summary><span class="method">${method}</span> <code>${escaped(path)}</code> ${escaped(summary)}</summary>
${description === undefined ? '' : paragraphs(description)}
${rows.length === 0 ? '' : `<h3>Parameters</h3><table>${rows.join('')}</table>`}
${body === undefined ? '' : `<h3>Body</h3>${schemaHtml(body)}`}
<h3>Example</h3><pre><code>${escaped(example)}</code></pre>
<h3>Answers</h3><table>${answers.join('')}</table>
</details>`
}

function schemasPage({ info, components }: OpenApiDocument): string {
  const all = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<h2 id="${escaped(name)}">${escaped(name)}</h2>${schema.description === undefined ? '' : paragraphs(schema.description)}${schemaHtml(schema)}`,
  )
  return layout(`${info.title} API: schemas`, `<h1>Schemas</h1>\n${all.join('\n')}`)
}

function errorsPage(): string {
  const all = (Object.keys(ERROR_CATALOGUE) as ErrorCode[]).map((code) => {
    const { httpStatus, retryable, hint } = ERROR_CATALOGUE[code]
    return `<h2 id="${code}">${code}</h2><p>${escaped(titleOf(code))}. HTTP status ${httpStatus}${retryable ? '; the same request may succeed later' : ''}.</p><p>${inline(hint)}</p>`
  })
  return layout('Perdure API: errors', `<h1>Errors</h1>\n${all.join('\n')}`)
}

function schemaHtml(schema: Schema): string {
  const { properties, required = [] } = schema
  if (properties === undefined) return `<p>${typeHtml(schema)}</p>`
  const rows = Object.entries(properties).map(
    ([name, each]) =>
      `<tr><td><code>${escaped(name)}</code>${required.includes(name) ? ' <span class="dim">required</span>' : ''}</td><td>${typeHtml(each)}${each.properties === undefined ? '' : schemaHtml(each)}</td><td>${inline(each.description ?? '')}</td></tr>`,
  )
  return `<table>${rows.join('')}</table>`
}

function typeHtml({ $ref, type, enum: values, const: constant, items, anyOf }: Schema): string {
  if ($ref !== undefined) {
    const name = $ref.slice($ref.lastIndexOf('/') + 1)
    return `<a href="/docs/schemas#${escaped(name)}">${escaped(name)}</a>`
  }
  if (values !== undefined) return values.map((value) => `<code>${escaped(value)}</code>`).join(' ')
  if (constant !== undefined) return `<code>${escaped(JSON.stringify(constant))}</code>`
  if (items !== undefined) return `list of ${typeHtml(items)}`
  if (anyOf !== undefined)
    return anyOf
      .map((each) => (each.properties === undefined ? typeHtml(each) : schemaHtml(each)))
      .join(' or ')
  return escaped(type ?? 'any JSON value')
}

function paragraphs(text: string): string {
  return text
    .split('\n\n')
    .map((part) => `<p>${inline(part)}</p>`)
    .join('\n')
}

/** Of Markdown, what our own descriptions use. */
function inline(text: string): string {
  return escaped(text)
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')
    .replaceAll(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
}

function anchor(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z]+/g, '-')
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
