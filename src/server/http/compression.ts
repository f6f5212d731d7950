/** Answers above 1 KiB in the encoding that the caller likes best of those that are worth it: `br`, then `gzip`. */
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const LEAST_BYTES = 1024
/** Of brotli: as fast as gzip, and smaller. */
const QUALITY = 4

const compressBrotli = promisify(brotliCompress)
const compressGzip = promisify(gzip)

export type Encoding = 'br' | 'gzip'

/** Undefined: as it is. */
export function encodingFor(accepted: string | undefined, bytes: number): Encoding | undefined {
  if (accepted === undefined || bytes < LEAST_BYTES) return undefined
  const wanted = new Map(accepted.split(',').map(qualityOf))
  const any = wanted.get('*') ?? 0
  const of = (encoding: Encoding): number => wanted.get(encoding) ?? any
  if (of('br') > 0 && of('br') >= of('gzip')) return 'br'
  return of('gzip') > 0 ? 'gzip' : undefined
}

export async function compressed(text: string, encoding: Encoding): Promise<Buffer> {
  if (encoding === 'gzip') return compressGzip(text)
  return compressBrotli(text, { params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY } })
}

function qualityOf(item: string): [name: string, quality: number] {
  const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase())
  const quality = parameters.find((each) => each.startsWith('q='))
  return [name, quality === undefined ? 1 : Number(quality.slice(2)) || 0]
}
