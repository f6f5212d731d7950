/** `perdure schedules`: of a store or of an engine that runs; what changes one asks an engine. */
import { actionCommand } from '../action-command.ts'
import { STORE_OPTIONS } from '../command.ts'
import { ENGINE_OPTIONS, NAMESPACE_TO_LIST } from '../engine-choice.ts'
import { LIST_OPTIONS } from '../given-values.ts'
import { scheduleActions } from './schedule-actions.ts'
import { listSchedules } from './schedule-list.ts'

export const schedulesCommand = actionCommand({
  name: 'schedules',
  summary:
    'Lists schedules of a store, also while an engine runs on it, or of an engine; creates, changes, pauses and triggers those of an engine.',
  usual: 'list',
  shared: {
    ...ENGINE_OPTIONS,
    namespace: NAMESPACE_TO_LIST,
  },
  actions: {
    list: {
      operands: [],
      says: 'in the order of their ids',
      looks: true,
      options: { ...STORE_OPTIONS, ...LIST_OPTIONS },
      run: listSchedules,
    },
    ...scheduleActions,
  },
  examples: [
    { line: 'perdure schedules --store sqlite:./orders.db', says: 'the first 100 of a store' },
    {
      line: `perdure schedules create nightly --workflow report --cron '30 2 * * *' --timezone Europe/Berlin`,
      says: 'at an engine',
    },
    { line: 'perdure schedules pause nightly --reason "the audit"', says: 'resume lets it go on' },
    { line: 'perdure schedules trigger nightly', says: 'a run now' },
  ],
})
