/** Namespaces, and their quotas. */
import { administrationOf } from '../administration.ts'
import { ETAG, etagOf, IF_MATCH, ifMatch } from '../if-match.ts'
import { present } from '../present.ts'
import { route } from '../route.ts'
import { namespace, namespaceParam, namespaces, newNamespace, quotaChange } from '../schemas/access.ts'
import { nothing } from '../schemas/values.ts'

const TAG = 'Namespaces'

export const namespaceRoutes = [
  route({
    method: 'POST',
    path: '/namespaces',
    operationId: 'createNamespace',
    tag: TAG,
    summary: 'Make a namespace',
    body: newNamespace,
    answers: { 201: { description: 'It is durable.', body: namespace, headers: ETAG } },
    errors: ['ROUTE_NOT_FOUND', 'RECORD_EXISTS'],
    needs: ['CreateNamespace'],
    isInNamespace: false,
    repeats: 'Harmless: a repeat gets `RECORD_EXISTS`. A key is not looked at.',
    run: async (request) => {
      const { name, quotas = {} } = request.body
      const made = await administrationOf(request).namespaces.create(request.caller, name, present(quotas))
      const location = `/v1/namespaces/${encodeURIComponent(name)}`
      return { status: 201, headers: { location, ...etagOf(made) }, body: made }
    },
  }),
  route({
    method: 'GET',
    path: '/namespaces',
    operationId: 'listNamespaces',
    tag: TAG,
    summary: 'List the namespaces that the caller has to do with',
    answers: { 200: { description: 'In the order of their names.', body: namespaces } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ReadNamespace'],
    isInNamespace: false,
    run: async (request) => ({
      body: { namespaces: administrationOf(request).namespaces.list(request.caller) },
    }),
  }),
  route({
    method: 'GET',
    path: '/namespaces/{name}',
    operationId: 'getNamespace',
    tag: TAG,
    summary: 'Describe a namespace',
    params: namespaceParam,
    answers: { 200: { description: 'With its quotas.', body: namespace, headers: ETAG } },
    errors: ['ROUTE_NOT_FOUND'],
    needs: ['ReadNamespace'],
    isInNamespace: false,
    run: async (request) => {
      const found = administrationOf(request).namespaces.get(request.caller, request.params.name)
      return { headers: etagOf(found), body: found }
    },
  }),
  route({
    method: 'PUT',
    path: '/namespaces/{name}',
    operationId: 'setQuotas',
    tag: TAG,
    summary: 'Set the quotas of a namespace',
    params: namespaceParam,
    headers: IF_MATCH,
    body: quotaChange,
    answers: { 200: { description: 'In force.', body: namespace, headers: ETAG } },
    errors: ['ROUTE_NOT_FOUND', 'REVISION_CONFLICT'],
    needs: ['ChangeNamespace'],
    isInNamespace: false,
    repeats: 'Sets them again. With `If-Match` a repeat gets 412.',
    run: async (request) => {
      const { caller, params, body } = request
      const { namespaces: admin } = administrationOf(request)
      return await ifMatch(request, async (options) => {
        const set = await admin.setQuotas(caller, params.name, present(body.quotas), options)
        return { headers: etagOf(set), body: set }
      })
    },
  }),
  route({
    method: 'DELETE',
    path: '/namespaces/{name}',
    operationId: 'deleteNamespace',
    tag: TAG,
    summary: 'Delete a namespace that is empty',
    params: namespaceParam,
    answers: { 204: nothing },
    errors: ['ROUTE_NOT_FOUND', 'REVISION_CONFLICT'],
    needs: ['DeleteNamespace'],
    isInNamespace: false,
    repeats: 'Harmless: a repeat gets `NAMESPACE_NOT_FOUND`.',
    run: async (request) => {
      await administrationOf(request).namespaces.delete(request.caller, request.params.name)
      return { status: 204 }
    },
  }),
]
