/** A payment that one person enters, another one releases, and two of three approve. */
import { workflow } from '../../src/index.ts'

export const paying = workflow({
  name: 'paying',
  run: async (ctx, amount: number) => {
    const entered = await ctx.humanTask({
      name: 'enter',
      title: `Enter ${amount}`,
      candidateGroups: ['staff'],
    })
    const released = await ctx.humanTask({
      name: 'release',
      title: `Release ${amount}`,
      candidateGroups: ['staff'],
      fourEyes: 'enter',
    })
    const { approved, decisions } = await ctx.approval({
      name: 'approve',
      title: `Approve ${amount}`,
      approvers: [{ groups: ['staff'] }, { groups: ['staff'] }, { groups: ['staff'] }],
      rule: 'majority',
    })
    return { entered: entered.by, released: released.by, approved, by: decisions.map(({ by }) => by) }
  },
})
