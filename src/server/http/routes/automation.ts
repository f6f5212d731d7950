/** Events from outside (CloudEvents), the rules that say what they do, and webhooks. */
import Type from 'typebox'
import { PerdureError } from '../../../protocol/errors.ts'
import type { Json } from '../../../protocol/json.ts'
import { EVENTS_MOST } from '../../automation.ts'
import {
  BATCH_TYPE,
  binaryEventOf,
  type CloudEvent,
  cloudEventOf,
  cloudEventsOf,
  isBinaryMode,
} from '../../events/cloud-event.ts'
import type { KeptEventRule } from '../../events/event-rule.ts'
import type { StoredRecord } from '../../records.ts'
import { ETAG, etagOf, IF_MATCH, ifMatch } from '../if-match.ts'
import { type Answer, type RouteRequest, route } from '../route.ts'
import {
  newRule,
  newWebhook,
  published,
  ruleBody,
  ruleParam,
  ruleShown,
  rules,
  webhookBody,
  webhookParam,
  webhookShown,
  webhooks,
  webhookTest,
  webhookWithSecret,
} from '../schemas/automation.ts'
import { nothing } from '../schemas/values.ts'

const EVENTS = 'Events'
const WEBHOOKS = 'Webhooks'
const RECORD_ERRORS = ['RECORD_NOT_FOUND'] as const
const REPEATS = 'Harmless, with `If-Match`. A key is not looked at.'

export const automationRoutes = [
  route({
    method: 'POST',
    path: '/events',
    operationId: 'publishEvents',
    tag: EVENTS,
    summary: 'Publish CloudEvents',
    description:
      'One in the JSON format (`application/cloudevents+json`), several (`application/cloudevents-batch+json`), or one in the binary mode: attributes in headers `ce-…`, and the body is the data.',
    headers: { 'ce-specversion': 'Of the binary mode: `1.0`. So are all headers `ce-…`.' },
    body: Type.Unknown({ description: 'A CloudEvent 1.0, a list of them, or its data.' }),
    answers: { 202: { description: 'Recorded. What the rules say is done soon after.', body: published } },
    errors: ['PAYLOAD_TOO_LARGE', 'CONTENT_TYPE_UNSUPPORTED'],
    needs: ['PublishEvent'],
    repeats: 'Harmless: an event with the same source and id is known. A key is not looked at.',
    run: async (request) => {
      const events = eventsOf(request, request.body)
      return { status: 202, body: { events: await request.services.automation.publish(request, events) } }
    },
  }),
  route({
    method: 'GET',
    path: '/event-rules',
    operationId: 'listEventRules',
    tag: EVENTS,
    summary: 'List the rules of events',
    answers: { 200: { description: 'All of them, in the order of their ids.', body: rules } },
    needs: ['ReadEventRule'],
    run: async (request) => {
      const found = await request.services.automation.rules(request)
      return { body: { rules: found.map((rule) => shownRule(request, rule)) } }
    },
  }),
  route({
    method: 'POST',
    path: '/event-rules',
    operationId: 'createEventRule',
    tag: EVENTS,
    summary: 'Make a rule: which events start or signal which executions',
    body: newRule,
    answers: { 201: { description: 'Durable, and in force on this node.', body: ruleShown, headers: ETAG } },
    errors: ['RECORD_EXISTS', 'QUOTA_EXCEEDED'],
    needs: ['ChangeEventRule'],
    repeats: 'Of the same rule: `RECORD_EXISTS`. A key is not looked at.',
    run: async (request) => {
      const { id, ...rule } = request.body
      return ruleAnswer(request, await request.services.automation.createRule(request, id, rule), 201)
    },
  }),
  route({
    method: 'GET',
    path: '/event-rules/{id}',
    operationId: 'getEventRule',
    tag: EVENTS,
    summary: 'Show a rule',
    params: ruleParam,
    answers: { 200: { description: 'As it is kept.', body: ruleShown, headers: ETAG } },
    errors: RECORD_ERRORS,
    needs: ['ReadEventRule'],
    run: async (request) =>
      ruleAnswer(request, await request.services.automation.rule(request, request.params.id), 200),
  }),
  route({
    method: 'PUT',
    path: '/event-rules/{id}',
    operationId: 'replaceEventRule',
    tag: EVENTS,
    summary: 'Replace a rule',
    params: ruleParam,
    headers: IF_MATCH,
    body: ruleBody,
    answers: { 200: { description: 'Durable, and in force on this node.', body: ruleShown, headers: ETAG } },
    errors: [...RECORD_ERRORS, 'REVISION_CONFLICT'],
    needs: ['ChangeEventRule'],
    repeats: REPEATS,
    run: (request) =>
      ifMatch(request, async (options) => {
        const target = { ...request.params, ...options }
        return ruleAnswer(
          request,
          await request.services.automation.replaceRule(request, target, request.body),
          200,
        )
      }),
  }),
  route({
    method: 'DELETE',
    path: '/event-rules/{id}',
    operationId: 'deleteEventRule',
    tag: EVENTS,
    summary: 'Delete a rule',
    params: ruleParam,
    headers: IF_MATCH,
    answers: { 204: nothing },
    errors: [...RECORD_ERRORS, 'REVISION_CONFLICT'],
    needs: ['ChangeEventRule'],
    repeats: 'Of one that is gone: `RECORD_NOT_FOUND`. A key is not looked at.',
    run: (request) =>
      ifMatch(request, async ({ ifRevision }) => {
        await request.services.automation.deleteRule(request, request.params.id, ifRevision)
        return { status: 204 }
      }),
  }),
  route({
    method: 'GET',
    path: '/webhooks',
    operationId: 'listWebhooks',
    tag: WEBHOOKS,
    summary: 'List webhooks',
    answers: { 200: { description: 'All of them, without their secrets.', body: webhooks } },
    needs: ['ReadWebhook'],
    run: async (request) => ({ body: { webhooks: await request.services.automation.webhooks(request) } }),
  }),
  route({
    method: 'POST',
    path: '/webhooks',
    operationId: 'createWebhook',
    tag: WEBHOOKS,
    summary: 'Have a server told by HTTP of executions that start and end',
    description:
      'Events are CloudEvents in JSON, signed as Standard Webhooks has it. What is not taken with a status of 2xx is sent again, 12 times in about half a day; after that it is a failed task of the queue `perdure.webhooks`.',
    body: newWebhook,
    answers: {
      201: { description: 'Durable, and in force on this node.', body: webhookWithSecret, headers: ETAG },
    },
    errors: ['RECORD_EXISTS', 'QUOTA_EXCEEDED'],
    needs: ['ChangeWebhook'],
    repeats: 'Of the same webhook: `RECORD_EXISTS`. A key is not looked at.',
    isSecret: true,
    run: async (request) => {
      const { id, ...settings } = request.body
      const made = await request.services.automation.createWebhook(request, id, settings)
      return { status: 201, headers: etagOf(made), body: made }
    },
  }),
  route({
    method: 'GET',
    path: '/webhooks/{id}',
    operationId: 'getWebhook',
    tag: WEBHOOKS,
    summary: 'Show a webhook',
    params: webhookParam,
    answers: { 200: { description: 'Without its secret.', body: webhookShown, headers: ETAG } },
    errors: RECORD_ERRORS,
    needs: ['ReadWebhook'],
    run: async (request) => {
      const found = await request.services.automation.webhook(request, request.params.id)
      return { headers: etagOf(found), body: found }
    },
  }),
  route({
    method: 'PUT',
    path: '/webhooks/{id}',
    operationId: 'replaceWebhook',
    tag: WEBHOOKS,
    summary: 'Replace the settings of a webhook',
    description: 'Its secret stays.',
    params: webhookParam,
    headers: IF_MATCH,
    body: webhookBody,
    answers: {
      200: { description: 'Durable, and in force on this node.', body: webhookShown, headers: ETAG },
    },
    errors: [...RECORD_ERRORS, 'REVISION_CONFLICT'],
    needs: ['ChangeWebhook'],
    repeats: REPEATS,
    run: (request) =>
      ifMatch(request, async (options) => {
        const target = { ...request.params, ...options }
        const put = await request.services.automation.replaceWebhook(request, target, request.body)
        return { headers: etagOf(put), body: put }
      }),
  }),
  route({
    method: 'POST',
    path: '/webhooks/{id}/rotate-secret',
    operationId: 'rotateWebhookSecret',
    tag: WEBHOOKS,
    summary: 'Give a webhook a new secret',
    description: 'Events are signed with it and with the last one, until the next time.',
    params: webhookParam,
    answers: { 200: { description: 'With the new secret.', body: webhookWithSecret, headers: ETAG } },
    errors: RECORD_ERRORS,
    needs: ['ChangeWebhook'],
    repeats: 'Makes another one: the secret before the last counts no more. A key is not looked at.',
    isSecret: true,
    run: async (request) => {
      const made = await request.services.automation.rotateWebhookSecret(request, request.params.id)
      return { headers: etagOf(made), body: made }
    },
  }),
  route({
    method: 'POST',
    path: '/webhooks/{id}/test',
    operationId: 'testWebhook',
    tag: WEBHOOKS,
    summary: 'Send a webhook one test event, at once',
    description:
      'A CloudEvent of the type `perdure.test`, signed as all are, also if the webhook is paused, whatever it wants to be told of. It is not sent again. What came of it is in the answer, after at most 15 seconds. Of a namespace 10 at once, and then one in six seconds, on each node.',
    params: webhookParam,
    answers: { 200: { description: 'What came of it, whatever that is.', body: webhookTest } },
    errors: RECORD_ERRORS,
    needs: ['ChangeWebhook'],
    repeats: 'Sends another event. A key is not looked at.',
    run: async (request) => ({
      body: await request.services.webhookTests.test(request, request.params.id),
    }),
  }),
  route({
    method: 'DELETE',
    path: '/webhooks/{id}',
    operationId: 'deleteWebhook',
    tag: WEBHOOKS,
    summary: 'Delete a webhook',
    description: 'What was to be sent to it is dropped.',
    params: webhookParam,
    headers: IF_MATCH,
    answers: { 204: nothing },
    errors: [...RECORD_ERRORS, 'REVISION_CONFLICT'],
    needs: ['ChangeWebhook'],
    repeats: 'Of one that is gone: `RECORD_NOT_FOUND`. A key is not looked at.',
    run: (request) =>
      ifMatch(request, async ({ ifRevision }) => {
        await request.services.automation.deleteWebhook(request, request.params.id, ifRevision)
        return { status: 204 }
      }),
  }),
]

/** @throws PerdureError `ARGUMENT_INVALID` */
function eventsOf({ headers }: Pick<RouteRequest, 'headers'>, body: unknown): readonly CloudEvent[] {
  if (isBinaryMode(headers))
    return [binaryEventOf(headers, body instanceof Uint8Array ? body : { data: body as Json })]
  if (body instanceof Uint8Array)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      'the request has neither a CloudEvent in JSON nor headers ce-…',
    )
  const [type = ''] = String(headers['content-type'] ?? '').split(';')
  return type.trim().toLowerCase() === BATCH_TYPE ? cloudEventsOf(body, EVENTS_MOST) : [cloudEventOf(body)]
}

type ByServices = Pick<RouteRequest, 'services'>

function ruleAnswer(by: ByServices, rule: StoredRecord<KeptEventRule>, status: number): Answer {
  return { status, headers: etagOf(rule), body: shownRule(by, rule) }
}

function shownRule({ services: { automation } }: ByServices, stored: StoredRecord<KeptEventRule>): object {
  const { value, ...rest } = stored
  const { maker, ...rule } = value
  const rests = automation.troubleOf(stored)
  return {
    ...rest,
    ...rule,
    ...(maker === undefined ? {} : { maker: maker.id }),
    ...(rests === undefined ? {} : { rests }),
  }
}
