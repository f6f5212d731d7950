/** Rules of a namespace, for administrators. */

import type { RuleMaker } from '../access/rule-maker.ts'
import { Records } from '../records.ts'
import type { RegistryWrites } from '../registry-reads.ts'
import { checkedEventRule, type KeptEventRule } from './event-rule.ts'
import { EVENT_RULE_KIND } from './event-task.ts'

/** All of them are looked at for each event. */
const RULES_MOST = 1000

export function eventRuleRecords(registry: RegistryWrites): Records<KeptEventRule> {
  return new Records(registry, {
    kind: EVENT_RULE_KIND,
    name: 'event rule',
    most: RULES_MOST,
    checked: checkedKeptRule,
  })
}

function checkedKeptRule(value: unknown): KeptEventRule {
  // The maker is added by the engine.
  const { maker, ...rule } = value as { readonly maker: RuleMaker }
  return { ...checkedEventRule(rule), maker }
}
