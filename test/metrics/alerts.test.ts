// The alert rules, held against the real promtool: they are rules, each fires when it should, and only then.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type AlertCase, alertCases } from './alert-cases.ts'
import { prometheusProgram, promtool } from './prometheus-server.ts'

const root = join(import.meta.dirname, '..', '..')
const rules = join(root, 'docs', 'deploy', 'prometheus', 'perdure-alerts.yml')
const text = readFileSync(rules, 'utf8')

interface Rule {
  readonly alert: string
  readonly severity: string
  readonly runbook: string
}

/** As the file has them; its lines are always the same. */
const found: readonly Rule[] = text
  .split(/^ +- alert: /m)
  .slice(1)
  .map((rule) => ({
    alert: rule.split('\n')[0] ?? '',
    severity: /severity: (\w+)/.exec(rule)?.[1] ?? '',
    runbook: /runbook_url: (\S+)/.exec(rule)?.[1] ?? '',
  }))

function ruleTest({ alert, what, series, at, fires }: AlertCase): object {
  const { severity, runbook } = found.find((rule) => rule.alert === alert) ?? { severity: '', runbook: '' }
  return {
    name: `${alert}: ${what}`,
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [
      {
        eval_time: at,
        alertname: alert,
        exp_alerts:
          fires === undefined
            ? []
            : [
                {
                  exp_labels: { job: 'perdure', severity, ...fires.labels },
                  exp_annotations: { summary: fires.summary, runbook_url: runbook },
                },
              ],
      },
    ],
  }
}

describe('the alert rules', { skip: 'missing' in prometheusProgram && prometheusProgram.missing }, () => {
  test('are rules', () => {
    const { status, said } = promtool(['check', 'rules', rules])
    assert.equal(status, 0, said)
    assert.match(said, new RegExp(`${found.length} rules found`))
  })

  test('each have a case in which they fire, and one in which they do not', () => {
    const cases = (isFiring: boolean): string[] =>
      found
        .map(({ alert }) => alert)
        .filter(
          (alert) =>
            !alertCases.some((each) => each.alert === alert && (each.fires !== undefined) === isFiring),
        )
    assert.deepEqual(cases(true), [])
    assert.deepEqual(cases(false), [])
    const names = new Set(found.map(({ alert }) => alert))
    assert.deepEqual(
      alertCases.filter(({ alert }) => !names.has(alert)),
      [],
    )
  })

  test('each say what to do: a section of the docs', () => {
    const docs = readFileSync(join(root, 'docs', 'operations.md'), 'utf8')
    for (const { alert, runbook } of found) {
      assert.equal(runbook, `docs/operations.md#${alert.toLowerCase()}`)
      assert.match(docs, new RegExp(`^### ${alert}$`, 'm'), alert)
    }
  })

  test('fire when they should, and only then', () => {
    const folder = mkdtempSync(join(tmpdir(), 'perdure-alerts-'))
    try {
      const file = join(folder, 'alerts.json')
      const content = { rule_files: [rules], evaluation_interval: '1m', tests: alertCases.map(ruleTest) }
      writeFileSync(file, JSON.stringify(content))
      const { status, said } = promtool(['test', 'rules', file])
      assert.equal(status, 0, said)
      // The same, with one expectation turned round: it would be found.
      const [first] = alertCases
      assert.ok(first)
      const { fires: _, ...turned } = first
      writeFileSync(file, JSON.stringify({ ...content, tests: [ruleTest(turned)] }))
      const wrong = promtool(['test', 'rules', file])
      assert.notEqual(wrong.status, 0)
      assert.match(wrong.said, /alertname: ?PerdureNodeDown/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
