/** A change of a human task in a few words. */
import type { HumanChange } from './human-task.ts'

export function humanChangeText(change: HumanChange): string {
  switch (change.kind) {
    case 'claimed':
    case 'released':
    case 'taken-back':
      return `${change.kind === 'taken-back' ? 'taken back' : change.kind}, seat ${change.seat}`
    case 'handed-over':
      return `${change.how} to ${change.to}, seat ${change.seat}`
    case 'commented':
      return `commented: ${change.text}`
    case 'returned':
      return `returned as ${change.verdict}, seat ${change.seat}`
    case 'decided':
      return `${change.decision.verdict}, seat ${change.decision.seat}`
    case 'approver-added':
      return `approver added, seat ${change.seat} at place ${change.place}`
    case 'approver-removed':
      return `approver removed, seat ${change.seat}`
    case 'sent-back':
      return `sent back to ${change.to}, seat ${change.toSeat}${change.reason === undefined ? '' : `: ${change.reason}`}`
    case 'escalated':
      return `escalation ${change.level}`
    case 'overdue':
      return 'overdue'
  }
}
