import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { clip, padTo, printable, widthOf, wrap } from './display-width.ts'
import { nearestWord } from './nearest-word.ts'
import { type Column, Table } from './table.ts'
import { durationText, parsedTime } from './time-text.ts'

const plain = { paint: (_style: unknown, text: string) => text }
/** Texts with wide, combining and joined characters. */
const anyText = fc.string({ unit: 'grapheme', maxLength: 40 }).map(printable)

describe('tables', () => {
  const columns: Column[] = [
    { title: 'ID', leastWidth: 4 },
    { title: 'STATUS' },
    { title: 'TOOK', align: 'right', optional: 2 },
    { title: 'NOTE', leastWidth: 6, optional: 1 },
  ]
  const render = (rows: string[][], width: number): string[] => {
    const table = new Table(columns, rows, { width, ...plain })
    return [table.header(), ...rows.map((row) => table.row(row))]
  }

  test('natural widths where there is room', () => {
    assert.deepEqual(render([['order-1', 'running', '2s', 'all is well']], 80), [
      'ID       STATUS   TOOK  NOTE',
      'order-1  running    2s  all is well',
    ])
  })

  test('the widest gives way first, then optional columns go', () => {
    const rows = [['order-with-a-long-id', 'running', '2s', 'a note']]
    assert.deepEqual(render(rows, 40), [
      'ID                 STATUS   TOOK  NOTE',
      'order-with-a-lon…  running    2s  a note',
    ])
    assert.deepEqual(render(rows, 36), [
      'ID                   STATUS   NOTE',
      'order-with-a-long-…  running  a note',
    ])
    assert.deepEqual(render(rows, 20), ['ID           STATUS', 'order-with…  running'])
  })

  test('an optional column with nothing in it is left out', () => {
    assert.equal(render([['a', 'b', '', 'c']], 80)[0], 'ID  STATUS  NOTE')
  })

  test('no line is ever wider than the terminal, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyText, anyText, anyText, anyText), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 100 }),
        (rows, width) => {
          for (const line of render(rows, width)) assert.ok(widthOf(line) <= width, JSON.stringify(line))
        },
      ),
    )
  })
})

describe('widths', () => {
  test('wide, combined and joined characters', () => {
    assert.equal(widthOf('abc'), 3)
    assert.equal(widthOf('日本'), 4)
    assert.equal(widthOf('e\u0301'), 1)
    assert.equal(widthOf('👩‍👩‍👧'), 2)
    assert.equal(widthOf('\u001b[31mred\u001b[39m'), 3)
  })

  test('clipping keeps whole characters and shows that something is gone', () => {
    assert.equal(clip('abcdef', 4), 'abc…')
    assert.equal(clip('日本語', 4), '日…')
    assert.equal(clip('abc', 3), 'abc')
    assert.equal(clip('abc', 0), '')
    assert.equal(padTo('日', 4), '日  ')
  })

  test('nothing printable moves the cursor or turns the text', () => {
    assert.equal(printable('a\nb\u001b[2J\u202e\u0085'), 'a\\nb\\u{1b}[2J\\u{202e}\\u{85}')
    assert.equal(printable('\ud800'), '\ufffd')
  })

  test('wrapped lines are within the width, and nothing is lost', () => {
    fc.assert(
      fc.property(fc.array(anyText), fc.integer({ min: 4, max: 60 }), (words, width) => {
        const text = words.join(' ')
        const lines = wrap(text, width)
        for (const line of lines) assert.ok(widthOf(line) <= width, JSON.stringify(line))
        assert.equal(lines.join('').replaceAll(' ', ''), text.replaceAll(' ', ''))
      }),
    )
    // Blanks of other kinds are no indentation.
    assert.deepEqual(wrap(' \u3000x', 6), [' \u3000x'])
    assert.deepEqual(wrap('  indented like the first', 14), ['  indented', '  like the', '  first'])
  })
})

describe('words', () => {
  test('the nearest, or none', () => {
    const words = ['list', 'show', 'history', 'doctor']
    assert.equal(nearestWord('lits', words), 'list')
    assert.equal(nearestWord('dcotr', words), undefined)
    assert.equal(nearestWord('doctr', words), 'doctor')
    assert.equal(nearestWord('his', words), 'history')
    assert.equal(nearestWord('xyz', words), undefined)
  })
})

describe('times', () => {
  test('durations show their two largest units', () => {
    const cases: [ms: number, text: string][] = [
      [0, '0ms'],
      [999, '999ms'],
      [1000, '1s'],
      [1500, '1.5s'],
      [59_999, '59s'],
      [60_000, '1m'],
      [192_000, '3m 12s'],
      [7_500_000, '2h 5m'],
      [1_047_600_000, '12d 3h'],
      [-1500, '-1.5s'],
    ]
    for (const [ms, text] of cases) assert.equal(durationText(ms), text)
  })

  test('a time is that long ago, a local day, or a time with its zone', () => {
    const now = Date.UTC(2026, 7, 2, 12)
    assert.equal(parsedTime('90m', 'since', now), now - 5_400_000)
    assert.equal(parsedTime('2026-08-02', 'since', now), new Date(2026, 7, 2).getTime())
    assert.equal(parsedTime('2026-08-02 10:15', 'since', now), new Date(2026, 7, 2, 10, 15).getTime())
    assert.equal(parsedTime('2026-08-02T10:15:00Z', 'since', now), Date.UTC(2026, 7, 2, 10, 15))
    for (const text of ['', '2', 'now', '2026', '2026-02-30x', '-1h'])
      assert.throws(() => parsedTime(text, 'since', now), /is not a time/)
  })
})
