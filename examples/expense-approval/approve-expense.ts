/**
 * Asks one approver after the other for a decision: the first one has some time, then the next one is asked too.
 * Whoever was asked may decide, also late. When the last one stays silent, the claim is refused.
 */
import { type Duration, query, signal, workflow } from 'perdure'

export interface Expense {
  readonly employee: string
  readonly purpose: string
  readonly amountCents: number
  /** In the order in which they are asked. */
  readonly approvers: readonly string[]
}

export interface Decision {
  readonly by: string
  readonly approved: boolean
}

export interface Mail {
  send(to: string, text: string, key: string): Promise<void>
}

export const decision = signal<Decision>('decision')
export const asked = query<readonly string[]>('asked')

export function approveExpenseWith(mail: Mail, patience: Duration) {
  return workflow({
    name: 'approve-expense',
    version: '1',
    run: async (ctx, expense: Expense) => {
      const askedSoFar: string[] = []
      ctx.onQuery(asked, () => askedSoFar)
      const send = (to: string, text: string) =>
        ctx.step(`mail to ${to}`, (step) => mail.send(to, text, step.idempotencyKey))
      const finish = async (status: 'approved' | 'refused', by: string) => {
        await send(expense.employee, `${expense.purpose}: ${status} by ${by}`)
        return { status, by, asked: askedSoFar }
      }

      for (const approver of expense.approvers) {
        askedSoFar.push(approver)
        await send(
          approver,
          `${expense.employee} asks for ${expense.amountCents / 100} for ${expense.purpose}`,
        )
        // A timer of its own: decisions of people who were not asked must not start the time anew.
        const escalation = ctx.scope(async (scoped) => scoped.sleep(patience))
        const answer = ctx.scope(async (scoped) => {
          for (;;) {
            const given = await scoped.waitFor(decision)
            if (askedSoFar.includes(given.by)) return given
            ctx.log.warn('a decision of somebody who was not asked', { by: given.by })
          }
        })
        const given = await Promise.race([answer, escalation])
        answer.cancel()
        escalation.cancel()
        if (typeof given === 'object') return finish(given.approved ? 'approved' : 'refused', given.by)
      }
      return finish('refused', 'the rules, since nobody answered')
    },
  })
}
