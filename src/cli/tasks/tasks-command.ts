/** `perdure tasks`: of a store or of an engine that runs; what changes one asks an engine. */
import { actionCommand } from '../action-command.ts'
import { STORE_OPTIONS } from '../command.ts'
import { ENGINE_OPTIONS, NAMESPACE_TO_LIST } from '../engine-choice.ts'
import { LIST_OPTIONS } from '../given-values.ts'
import { claimActions } from './claim-actions.ts'
import { taskActions } from './task-actions.ts'
import { listTasks, TASK_FILTER_OPTIONS } from './task-list.ts'

export const tasksCommand = actionCommand({
  name: 'tasks',
  summary:
    'Lists tasks of a store, also while an engine runs on it, or of an engine; enqueues, claims, completes, cancels and retries those of an engine.',
  usual: 'list',
  shared: {
    ...ENGINE_OPTIONS,
    namespace: NAMESPACE_TO_LIST,
  },
  actions: {
    list: {
      operands: [],
      says: 'the newest first; in a store, a task that runs is waiting',
      looks: true,
      options: { ...STORE_OPTIONS, ...TASK_FILTER_OPTIONS, ...LIST_OPTIONS },
      run: listTasks,
    },
    ...taskActions,
    ...claimActions,
  },
  examples: [
    { line: 'perdure tasks --store sqlite:./orders.db', says: 'the newest 100 of a store' },
    { line: 'perdure tasks --status failed --since 1d', says: 'the dead letters since yesterday' },
    { line: 'perdure tasks --status failed --json | jq -r .id', says: 'only their ids' },
    {
      line: `perdure tasks enqueue send-letter --queue mail --input '"ada"' --id letter-ada`,
      says: 'safe to be repeated',
    },
    { line: 'perdure tasks retry-all --queue mail --since 1d', says: 'counts; --yes does it' },
    {
      line: 'perdure tasks claim mail --task send-letter > claim.json',
      says: `done by perdure tasks complete claim.json --result '{"sent":true}'`,
    },
  ],
})
