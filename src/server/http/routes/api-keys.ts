/** API keys. */
import { administrationOf } from '../administration.ts'
import { present } from '../present.ts'
import { route } from '../route.ts'
import {
  apiKey,
  apiKeys,
  keyParam,
  newApiKey,
  ofNamespace,
  rotation,
  shownApiKey,
} from '../schemas/access.ts'
import { nothing } from '../schemas/values.ts'

const TAG = 'API keys'
const MISSING = ['ROUTE_NOT_FOUND', 'RECORD_NOT_FOUND'] as const

export const apiKeyRoutes = [
  route({
    method: 'POST',
    path: '/api-keys',
    operationId: 'createApiKey',
    tag: TAG,
    summary: 'Make an API key',
    body: newApiKey,
    answers: { 201: { description: 'With its text, which is never shown again.', body: shownApiKey } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['CreateApiKey', 'ChangeRoleBinding'],
    isInNamespace: false,
    isSecret: true,
    repeats:
      'Makes another key. Revoke the one whose answer was lost: it is in the list. A key is not looked at.',
    run: async (request) => {
      const made = await administrationOf(request).admin.createKey(request.caller, present(request.body))
      return { status: 201, headers: { location: `/v1/api-keys/${made.id}` }, body: made }
    },
  }),
  route({
    method: 'GET',
    path: '/api-keys',
    operationId: 'listApiKeys',
    tag: TAG,
    summary: 'List the API keys that the caller may read',
    query: ofNamespace,
    answers: { 200: { description: 'Never with their secrets.', body: apiKeys } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ReadApiKey'],
    isInNamespace: false,
    run: async (request) => ({
      body: {
        keys: await administrationOf(request).admin.listKeys(request.caller, request.query.namespace),
      },
    }),
  }),
  route({
    method: 'GET',
    path: '/api-keys/{id}',
    operationId: 'getApiKey',
    tag: TAG,
    summary: 'Describe an API key',
    description: 'A key may read itself.',
    params: keyParam,
    answers: { 200: { description: 'Never with its secret.', body: apiKey } },
    errors: MISSING,
    needs: ['ReadApiKey'],
    isInNamespace: false,
    run: async (request) => ({
      body: await administrationOf(request).admin.getKey(request.caller, request.params.id),
    }),
  }),
  route({
    method: 'POST',
    path: '/api-keys/{id}/rotate',
    operationId: 'rotateApiKey',
    tag: TAG,
    summary: 'Give an API key another secret',
    description:
      'The one that it has is good for `graceMs` more; one from before that, no more. A key may do it to itself.',
    params: keyParam,
    body: rotation,
    answers: { 200: { description: 'With its text, which is never shown again.', body: shownApiKey } },
    errors: [...MISSING, 'REVISION_CONFLICT'],
    needs: ['RotateApiKey', 'ChangeRoleBinding'],
    isInNamespace: false,
    isSecret: true,
    repeats:
      'Makes another secret, and ends the one from before the first call at once: what uses that one has to have the new one by then. A key is not looked at.',
    run: async (request) => {
      const { caller, params, body } = request
      return { body: await administrationOf(request).admin.rotateKey(caller, params.id, body.graceMs) }
    },
  }),
  route({
    method: 'POST',
    path: '/api-keys/{id}/revoke',
    operationId: 'revokeApiKey',
    tag: TAG,
    summary: 'Let an API key open nothing any more',
    description:
      'On all nodes within a second; connections that were opened with it end. A key may do it to itself.',
    params: keyParam,
    answers: { 204: nothing },
    errors: [...MISSING, 'REVISION_CONFLICT'],
    needs: ['RevokeApiKey'],
    isInNamespace: false,
    repeats: 'Harmless. A key is not looked at.',
    run: async (request) => {
      await administrationOf(request).admin.revokeKey(request.caller, request.params.id)
      return { status: 204 }
    },
  }),
  route({
    method: 'DELETE',
    path: '/api-keys/{id}',
    operationId: 'deleteApiKey',
    tag: TAG,
    summary: 'Forget an API key that was revoked, or has expired',
    params: keyParam,
    answers: { 204: nothing },
    errors: [...MISSING, 'REVISION_CONFLICT'],
    needs: ['RevokeApiKey'],
    isInNamespace: false,
    repeats: 'Harmless: a repeat gets `RECORD_NOT_FOUND`.',
    run: async (request) => {
      await administrationOf(request).admin.deleteKey(request.caller, request.params.id)
      return { status: 204 }
    },
  }),
]
