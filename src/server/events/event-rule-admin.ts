/** Rules of a namespace, for administrators. */
import { Records } from '../records.ts'
import type { RegistryWrites } from '../registry-reads.ts'
import { checkedEventRule, type EventRule } from './event-rule.ts'
import { EVENT_RULE_KIND } from './event-task.ts'

/** All of them are looked at for each event. */
const RULES_MOST = 1000

export function eventRuleRecords(registry: RegistryWrites): Records<EventRule> {
  return new Records(registry, {
    kind: EVENT_RULE_KIND,
    name: 'event rule',
    most: RULES_MOST,
    checked: checkedEventRule,
  })
}
