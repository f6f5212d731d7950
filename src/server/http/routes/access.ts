/** Roles, policies, and why somebody may do something, or not. */
import { administrationOf } from '../administration.ts'
import { ETAG, etagOf, IF_MATCH, ifMatch } from '../if-match.ts'
import { present } from '../present.ts'
import { route } from '../route.ts'
import {
  accessAnswer,
  accessQuestion,
  newPolicy,
  ofNamespace,
  policies,
  policy,
  policyParam,
  roleBinding,
  roleBindingQuery,
  roleBindings,
} from '../schemas/access.ts'
import { nothing } from '../schemas/values.ts'

const TAG = 'Access'

export const accessRoutes = [
  route({
    method: 'POST',
    path: '/role-bindings',
    operationId: 'bindRole',
    tag: TAG,
    summary: 'Give a role',
    description: 'To a principal or a group, in one namespace or everywhere.',
    body: roleBinding,
    answers: { 204: nothing },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ChangeRoleBinding'],
    isInNamespace: false,
    repeats: 'Harmless. A key is not looked at.',
    run: async (request) => {
      await administrationOf(request).admin.bindRole(request.caller, present(request.body))
      return { status: 204 }
    },
  }),
  route({
    method: 'GET',
    path: '/role-bindings',
    operationId: 'listRoleBindings',
    tag: TAG,
    summary: 'List who was given which role where',
    description: 'Roles that keys and tokens bring along are not among them.',
    query: ofNamespace,
    answers: { 200: { description: 'Those that the caller may read.', body: roleBindings } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ReadRoleBinding'],
    isInNamespace: false,
    run: async (request) => {
      const { caller, query } = request
      return {
        body: { bindings: await administrationOf(request).admin.listBindings(caller, query.namespace) },
      }
    },
  }),
  route({
    method: 'DELETE',
    path: '/role-bindings',
    operationId: 'unbindRole',
    tag: TAG,
    summary: 'Take a role away',
    description: 'Without `namespace`, the one that was given everywhere; those in namespaces stay.',
    query: roleBindingQuery,
    answers: { 204: nothing },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ChangeRoleBinding'],
    isInNamespace: false,
    repeats: 'Harmless.',
    run: async (request) => {
      await administrationOf(request).admin.unbindRole(request.caller, present(request.query))
      return { status: 204 }
    },
  }),
  route({
    method: 'GET',
    path: '/policies',
    operationId: 'listPolicies',
    tag: TAG,
    summary: 'List the policies of the registry',
    description: 'Those of roles and of files are not among them.',
    answers: { 200: { description: 'All of them.', body: policies } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ReadPolicy'],
    isInNamespace: false,
    run: async (request) => ({
      body: { policies: await administrationOf(request).admin.listPolicies(request.caller) },
    }),
  }),
  route({
    method: 'GET',
    path: '/policies/{id}',
    operationId: 'getPolicy',
    tag: TAG,
    summary: 'Show a policy of the registry',
    params: policyParam,
    answers: { 200: { description: 'As it was put.', body: policy, headers: ETAG } },
    errors: ['ROUTE_NOT_FOUND', 'RECORD_NOT_FOUND'],
    needs: ['ReadPolicy'],
    isInNamespace: false,
    run: async (request) => {
      const found = await administrationOf(request).admin.getPolicy(request.caller, request.params.id)
      return { headers: etagOf(found), body: found }
    },
  }),
  route({
    method: 'PUT',
    path: '/policies/{id}',
    operationId: 'putPolicy',
    tag: TAG,
    summary: 'Make or change a policy of the registry',
    description:
      'One or several, under one name. What does not parse or does not fit the schema is refused, with its line. In force on all nodes within a second.',
    params: policyParam,
    headers: IF_MATCH,
    body: newPolicy,
    answers: { 200: { description: 'In force.', body: policy, headers: ETAG } },
    errors: ['ROUTE_NOT_FOUND', 'REVISION_CONFLICT'],
    needs: ['ChangePolicy'],
    isInNamespace: false,
    repeats: 'Puts the same policy again. With `If-Match` a repeat gets 412.',
    run: async (request) => {
      const { caller, params, body } = request
      const { admin } = administrationOf(request)
      return await ifMatch(request, async (options) => {
        const put = await admin.putPolicy(caller, params.id, body.text, options)
        return { headers: etagOf(put), body: put }
      })
    },
  }),
  route({
    method: 'DELETE',
    path: '/policies/{id}',
    operationId: 'deletePolicy',
    tag: TAG,
    summary: 'Delete a policy of the registry',
    params: policyParam,
    answers: { 204: nothing },
    errors: ['ROUTE_NOT_FOUND', 'RECORD_NOT_FOUND', 'REVISION_CONFLICT'],
    needs: ['ChangePolicy'],
    isInNamespace: false,
    repeats: 'Harmless: a repeat gets `RECORD_NOT_FOUND`.',
    run: async (request) => {
      await administrationOf(request).admin.deletePolicy(request.caller, request.params.id)
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/access/explain',
    operationId: 'explainAccess',
    tag: TAG,
    summary: 'Say whether somebody may do something, and which policies decide',
    description: 'Everybody may ask about themselves.',
    body: accessQuestion,
    answers: { 200: { description: 'As it is now.', body: accessAnswer } },
    errors: ['ROUTE_NOT_FOUND', 'RECORD_NOT_FOUND'],
    needs: ['ExplainAccess'],
    isInNamespace: false,
    run: async (request) => {
      const { caller, body } = request
      const question = { principal: caller.id, ...present(body) }
      return { body: await administrationOf(request).explain(caller, question) }
    },
  }),
]
