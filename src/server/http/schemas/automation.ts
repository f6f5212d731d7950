/** Shapes of events, of their rules, and of webhooks. What rules and webhooks are made of is looked at where they are kept. */
import Type from 'typebox'
import { WEBHOOK_EVENTS } from '../../webhooks/webhook.ts'
import { answered, asked, count, flag, list, name, optional, timeMs, words } from './values.ts'

export const ruleParam = { id: name('Of the rule.') }
export const webhookParam = { id: name('Of the webhook.') }

export const published = answered('PublishedEvents', {
  events: list(
    Type.Object({
      source: Type.String(),
      id: Type.String(),
      accepted: flag('False: an event of this source and id had come before.'),
    }),
    'In the order given.',
  ),
})

const pattern = (description: string) =>
  optional(
    Type.Union(
      [Type.String({ maxLength: 1024 }), Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 100 })],
      {
        description: `${description} One or several; \`*\` stands for any characters.`,
      },
    ),
  )

const ruleFields = {
  match: asked(
    {
      type: pattern('Of the event.'),
      source: pattern('Of the event.'),
      subject: pattern('Of the event.'),
      attributes: optional(
        Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())]), {
          description: 'Extension attributes, with patterns.',
        }),
      ),
    },
    'All that is named must fit.',
  ),
  start: optional(
    asked(
      {
        workflow: name('Its name.'),
        version: optional(name('Default `1`.')),
        id: Type.String({
          minLength: 1,
          maxLength: 1024,
          description: 'Template of the workflow id, such as `order-{/data/id}`.',
        }),
        input: optional(
          Type.Unknown({ description: 'Template of the input. Default: the data of the event.' }),
        ),
        attributes: optional(
          Type.Record(Type.String(), Type.Unknown(), { description: 'Templates of search attributes.' }),
        ),
      },
      'Starts an execution, unless one has the id.',
    ),
  ),
  signal: optional(
    asked(
      {
        id: Type.String({ minLength: 1, maxLength: 1024, description: 'Template of the workflow id.' }),
        name: name('Of the signal.'),
        input: optional(
          Type.Unknown({ description: 'Template of what it carries. Default: the data of the event.' }),
        ),
      },
      'Signals an execution. Together with `start`: starts it first, if there is none.',
    ),
  ),
  paused: optional(flag('It does nothing. Default false.')),
}
const kept = {
  id: name('Unique in the namespace.'),
  revision: count('Rises with each change.'),
  changedMs: timeMs('Of the last change.'),
}

export const ruleBody = asked(ruleFields)
export const newRule = asked({ id: kept.id, ...ruleFields })
export const ruleShown = answered('EventRule', {
  ...kept,
  ...ruleFields,
  maker: optional(
    Type.String({ description: 'Whoever has made it, or changed it last. It does what that one may do.' }),
  ),
  rests: optional(
    Type.String({
      description: 'Why it does nothing: its maker is nobody any more. Whoever saves it again is its maker.',
    }),
  ),
})
export const rules = Type.Object({ rules: list(ruleShown) })

const webhookFields = {
  url: Type.String({ minLength: 1, maxLength: 2048, description: 'Where events are posted to.' }),
  events: optional(list(words(WEBHOOK_EVENTS), 'Default: all.', WEBHOOK_EVENTS.length)),
  workflows: optional(list(name('Its name.'), 'Only of executions of these workflows.', 1000)),
  paused: optional(flag('It is told nothing. Default false.')),
  description: optional(Type.String({ maxLength: 1000 })),
}

export const webhookBody = asked(webhookFields)
export const newWebhook = asked({ id: kept.id, ...webhookFields })
export const webhookShown = answered('Webhook', { ...kept, ...webhookFields })
export const webhookWithSecret = answered('WebhookWithSecret', {
  ...kept,
  ...webhookFields,
  secret: Type.String({
    description: 'By which receivers know what is from here (Standard Webhooks). Shown this once.',
  }),
})
export const webhooks = Type.Object({ webhooks: list(webhookShown) })
export const webhookTest = answered('WebhookTest', {
  eventId: Type.String({ description: 'Of the event that was sent: the header `webhook-id`.' }),
  delivered: flag('It was answered with a status of 2xx.'),
  status: optional(count('Of the answer. Absent: there was none.')),
  durationMs: count('Until the answer, or until it was given up, milliseconds.'),
  error: optional(Type.String({ description: 'Why it was not delivered.' })),
})
