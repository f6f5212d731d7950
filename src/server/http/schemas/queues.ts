/** Shapes of what the API says of queues, and takes. */
import Type from 'typebox'
import {
  BALANCER_NAMES,
  type BalancerSetting,
  POLICY_NAMES,
  type PolicySetting,
  QUEUE_SETTING_NAMES,
} from '../../../protocol/queue-settings.ts'
import { answered, asked, count, list, name, optional, timeMs, words } from './values.ts'

export const queueParam = { queue: name('Of the queue. Each name is a queue.') }

const rate = asked(
  {
    perSecond: Type.Number({ exclusiveMinimum: 0, description: 'Starts per second.' }),
    burst: optional(
      Type.Number({
        minimum: 1,
        description: 'Starts at once after a pause. Default: those of one second, at least 1.',
      }),
    ),
  },
  'A bucket of tokens that fills evenly.',
)
const orNone = <T extends Type.TSchema>(schema: T, description: string) =>
  optional(
    Type.Union([schema, Type.Null()], { description: `${description} null: none, whatever code says.` }),
  )
const most = Type.Integer({ minimum: 1 })

/** The engine looks at their options itself, and names those that it does not know. */
const policy = Type.Unsafe<PolicySetting>({
  type: 'object',
  required: ['name'],
  properties: { name: words(POLICY_NAMES) },
  description:
    'Which task is next, with the options of the policy: `aging`, `agingMs`, `quantumMs`, `weights`.',
})
const balancer = Type.Unsafe<BalancerSetting>({
  type: 'object',
  required: ['name'],
  properties: { name: words(BALANCER_NAMES) },
  description: 'Which worker gets it, with the options of the balancer.',
})

export const queueChanges = asked(
  {
    policy: optional(policy),
    balancer: optional(balancer),
    concurrency: orNone(most, 'Tasks that run at once.'),
    keyConcurrency: orNone(most, 'Tasks of one key that run at once.'),
    rate: orNone(rate, 'Starts.'),
    keyRate: orNone(rate, 'Starts of one key.'),
    paused: optional(Type.Boolean()),
  },
  'What is not given stays as it is.',
)
export const settingNames = optional(list(words(QUEUE_SETTING_NAMES), 'Default: all.', 20))

const queueFields = {
  queue: Type.String(),
  policy: Type.String({ description: 'Name of the policy in force.' }),
  isPaused: Type.Boolean(),
  waiting: count('Tasks.'),
  running: count('Tasks.'),
  moving: count(
    'Of those that wait, the ones that are not yet moved to where a change of settings puts them.',
  ),
  revision: count('Of what was changed at run time; rises by one with each change. 0: nothing ever was.'),
}
const pause = Type.Object({ reason: Type.String(), atMs: timeMs('Since when.') })
const settings = (description: string) => Type.Object({}, { description })

export const queue = answered('Queue', queueFields)
export const queues = answered('Queues', { queues: list(queue, 'In the order of their names.') })
export const queueDetails = answered('QueueDetails', {
  ...queueFields,
  settings: settings('What is in force. An option that is infinite is null.'),
  sources: settings('Where each setting comes from: `default`, `code` or `run-time`.'),
  code: settings('What code says.'),
  overrides: settings('What was changed at run time, and counts.'),
  changedMs: optional(timeMs('When it was changed last at run time.')),
  pause: optional(pause),
})
export const queueChanged = answered('QueueChanged', { revision: count('Of the settings now.') })
export const queueExplanation = answered('QueueExplanation', {
  reason: Type.String({ description: 'Such as `empty`, `paused`, `no-code`, `workers-busy`, `starting`.' }),
  sentence: Type.String({ description: 'For people.' }),
  waiting: count('Tasks.'),
  running: count('Tasks.'),
  limit: optional(Type.Number()),
  limits: settings('Its limits that are in force.'),
  moving: optional(count('Tasks.')),
  pause: optional(pause),
  untilMs: optional(timeMs('When it goes on.')),
  held: list(
    Type.Object({ reason: Type.String(), name: Type.String(), waiting: count('Tasks.') }),
    'What is held up apart from the rest: the largest first, at most 10.',
  ),
})
