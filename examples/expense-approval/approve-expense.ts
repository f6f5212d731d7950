/**
 * An employee claims an expense: the office checks the receipt, then the manager and the director approve, one after the
 * other; above a limit the board, by majority. Who checked may not approve. A silent approver is passed over to a deputy.
 */
import { type Duration, PerdureError, workflow } from 'perdure'

export interface Expense {
  readonly employee: string
  readonly purpose: string
  readonly amountCents: number
}

export interface Mail {
  send(to: string, text: string, key: string): Promise<void>
}

const BOARD = ['bea', 'bob', 'bo']
const BOARD_FROM_CENTS = 1_000_000

const RECEIPT = {
  type: 'object',
  properties: { amountCents: { type: 'integer', minimum: 1 }, costCentre: { type: 'string', minLength: 2 } },
  required: ['amountCents', 'costCentre'],
} as const

export function approveExpenseWith(mail: Mail, patience: Duration) {
  return workflow({
    name: 'approve-expense',
    version: '2',
    run: async (ctx, { employee, purpose, amountCents }: Expense) => {
      const finish = async (status: 'approved' | 'refused' | 'withdrawn', why: string) => {
        const text = `${purpose}: ${status}, ${why}`
        await ctx.step('mail', (step) => mail.send(employee, text, step.idempotencyKey))
        return { status, why }
      }
      const claim = { data: { employee, purpose, amountCents }, requester: employee }
      try {
        const checked = await ctx.humanTask({
          ...claim,
          name: 'check',
          title: `Check the receipt for ${purpose}`,
          candidateGroups: ['office'],
          form: RECEIPT,
          escalate: { after: patience, groups: ['accounting'], priority: 9, release: true },
        })
        const superiors = await ctx.approval({
          ...claim,
          title: `Approve ${purpose} for ${employee}`,
          approvers: [{ groups: ['managers'] }, { users: ['director'] }],
          order: 'sequence',
          fourEyes: 'check',
          escalate: { after: patience, users: ['deputy'], release: true },
        })
        if (!superiors.approved) return finish('refused', `by ${superiors.decisions.at(-1)?.by}`)
        if (amountCents < BOARD_FROM_CENTS) return finish('approved', `checked by ${checked.by}`)
        const title = `Approve ${purpose} (board)`
        const board = await ctx.approval({ ...claim, title, approvers: BOARD, rule: 'majority' })
        return finish(board.approved ? 'approved' : 'refused', 'by the board')
      } catch (error) {
        if (error instanceof PerdureError && error.code === 'HUMAN_TASK_WITHDRAWN')
          return finish('withdrawn', `by ${employee} or the office`)
        if (error instanceof PerdureError && error.code === 'HUMAN_TASK_REJECTED')
          return finish('refused', 'the receipt is not in order')
        throw error
      }
    },
  })
}
