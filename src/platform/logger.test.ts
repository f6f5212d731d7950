import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLogged, jsonLogger, safeLogger, silentLogger, withFields } from './logger.ts'

const written = (
  level: Parameters<typeof jsonLogger>[0],
  log: (logger: ReturnType<typeof jsonLogger>) => void,
) => {
  const lines: string[] = []
  log(jsonLogger(level, (line) => void lines.push(line)))
  return lines.map((line) => {
    assert.ok(line.endsWith('\n') && !line.slice(0, -1).includes('\n'))
    return JSON.parse(line) as { level: string; msg: string; [field: string]: unknown }
  })
}

test('one JSON line per record, at or above the level', () => {
  const all = (logger: ReturnType<typeof jsonLogger>) => {
    logger.debug('d')
    logger.info('i')
    logger.warn('w', { n: 1 })
    logger.error('e')
  }
  assert.deepEqual(
    written('debug', all).map(({ msg }) => msg),
    ['d', 'i', 'w', 'e'],
  )
  assert.deepEqual(
    written('warn', all).map(({ level, msg }) => `${level} ${msg}`),
    ['warn w', 'error e'],
  )
  assert.deepEqual(written('silent', all), [])
  assert.equal(written('warn', all)[0]?.n, 1)
  all(silentLogger)
})

test('errors keep their fields and causes; big integers are text', () => {
  const error = Object.assign(new TypeError('outer', { cause: new RangeError('inner') }), { code: 'X' })
  const [line] = written('info', (logger) => logger.error('failed', { error, big: 5n }))
  const logged = line?.error as { name: string; code: string; stack: string; cause: { name: string } }
  assert.deepEqual(
    [logged.name, logged.code, logged.cause.name, line?.big],
    ['TypeError', 'X', 'RangeError', '5'],
  )
  assert.match(logged.stack, /TypeError: outer/)
})

test('fields that JSON cannot hold never throw: a log line must not stop an engine', () => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  const hostile = { toJSON: () => assert.fail('no') }
  const error = new Error('loop')
  error.cause = error
  for (const field of [circular, hostile, error, Symbol('s'), () => 1]) {
    const [line] = written('info', (logger) => logger.info('odd', { field }))
    assert.equal(line?.msg, 'odd')
  }
})

test('whether a level is written is known of loggers of our own, also behind others', () => {
  const warn = jsonLogger('warn')
  for (const logger of [
    warn,
    safeLogger(warn),
    withFields(warn, { node: 'a' }),
    withFields(safeLogger(warn), {}),
  ])
    assert.deepEqual([isLogged(logger, 'debug'), isLogged(logger, 'warn')], [false, true])
  assert.equal(isLogged(safeLogger(jsonLogger('debug')), 'debug'), true)
  assert.equal(isLogged(silentLogger, 'error'), false)
  assert.equal(isLogged(jsonLogger('silent'), 'error'), false)
  // Of a logger of a user nothing is known.
  assert.equal(isLogged(safeLogger({ ...silentLogger }), 'debug'), true)
})
