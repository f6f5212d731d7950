/** `perdure access`: keys, roles, policies, and who may do what. */
import { actionCommand } from '../action-command.ts'
import { ENGINE_OPTIONS } from '../engine-choice.ts'
import { keyActions } from './key-actions.ts'
import { policyActions } from './policy-actions.ts'
import { roleActions } from './role-actions.ts'

export const accessCommand = actionCommand({
  name: 'access',
  summary: 'API keys, roles and policies of an engine with access, and who may do what, and why.',
  actions: { ...keyActions, ...roleActions, ...policyActions },
  shared: {
    ...ENGINE_OPTIONS,
    namespace: {
      value: 'NAME',
      says: 'lists: only what belongs to it; keys, roles, explain: where; default: the whole engine',
    },
  },
  examples: [
    {
      line: 'perdure access keys create ci --role developer@billing --expires 90d > ci.key',
      says: 'the file holds the key, which is shown this once',
    },
    { line: 'perdure access roles give group:ops operator --namespace billing', says: 'in one namespace' },
    { line: 'perdure access policies check night.cedar', says: 'before it is put, and without an engine' },
    { line: 'perdure access policies put night night.cedar', says: 'in force within a second' },
    {
      line: 'perdure access explain CancelExecution --principal key:7Q2M --namespace billing',
      says: 'whether this key may, and which policies say so',
    },
  ],
})
