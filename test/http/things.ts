/** What requests are about: made over the API itself, by who may do everything. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { InjectFixture } from './inject-fixture.ts'
import { HOOK, POLICY, RULE, type Thing } from './route-matrix.ts'

const POLLS_MOST = 400
const POLL_MS = 10
/** Of what changes when something is done to it. */
const LISTS = [
  'executions',
  'tasks',
  'queues',
  'schedules',
  'human-tasks',
  'event-rules',
  'webhooks',
] as const

export class Things {
  readonly #fixture: InjectFixture
  readonly #before = new Map<string, string>()
  #authorization: string | undefined

  constructor(fixture: InjectFixture) {
    this.#fixture = fixture
  }

  /**
   * Its id.
   *
   * @param claimant id of the caller who claims, of a claim; default: another one
   */
  async make(of: Thing, namespace: string, claimant?: string): Promise<string> {
    const id = `x-${randomBytes(6).toString('hex')}`
    const made = await this.#make(of, { namespace, id, claimant })
    return made ?? id
  }

  /** How the namespace is now, to be compared by `assertUntouched`. */
  async remember(namespace: string): Promise<void> {
    this.#before.set(namespace, await this.#shown(namespace))
  }

  async assertUntouched(namespace: string): Promise<void> {
    assert.equal(await this.#shown(namespace), this.#before.get(namespace))
  }

  async #make(
    of: Thing,
    {
      namespace,
      id,
      claimant,
    }: { readonly namespace: string; readonly id: string; readonly claimant: string | undefined },
  ): Promise<string | undefined> {
    const at = (path: string): string => `/v1${path}?namespace=${namespace}`
    if (of === 'open execution') await this.#post(at('/executions'), { id, workflow: 'waiting' })
    if (of === 'ended execution') await this.#ended(namespace, id, 'quick')
    if (of === 'failed execution') await this.#ended(namespace, id, 'failing')
    if (of === 'waiting task' || of === 'ended task' || of === 'failed task')
      await this.#post(at('/tasks'), { id, name: 'outside', queue: 'outside' })
    if (of === 'ended task' || of === 'failed task') await this.#post(at(`/tasks/${id}/cancel`), {})
    if (of === 'schedule') await this.#schedule(at('/schedules'), id)
    if (of === 'event rule') await this.#post(at('/event-rules'), { id, ...RULE })
    if (of === 'webhook') await this.#post(at('/webhooks'), { id, ...HOOK })
    if (of === 'queue') await this.#call('PATCH', at(`/queues/${id}`), { concurrency: 3 })
    if (of === 'policy') await this.#call('PUT', `/v1/policies/${id}`, { text: POLICY })
    if (of === 'namespace') await this.#post('/v1/namespaces', { name: id })
    if (of === 'API key' || of === 'revoked API key') return this.#apiKey(id, of === 'revoked API key')
    if (of === 'human task') return this.#humanTask(namespace, id)
    if (of === 'claim') return this.#claim(namespace, id, claimant)
    return undefined
  }

  async #ended(namespace: string, id: string, workflow: string): Promise<void> {
    await this.#post(`/v1/executions?namespace=${namespace}`, { id, workflow })
    const at = `/v1/executions/${id}/result?namespace=${namespace}&waitMs=30000`
    const { status } = await this.#call('GET', at)
    assert.match(String(status), /completed|failed/)
  }

  async #schedule(at: string, id: string): Promise<void> {
    const times = { kind: 'interval', everyMs: 3_600_000 }
    await this.#post(at, { id, times, start: { workflow: 'quick' }, paused: 'for tests' })
  }

  async #apiKey(name: string, isRevoked: boolean): Promise<string> {
    const { id } = await this.#post('/v1/api-keys', { name })
    if (isRevoked) await this.#post(`/v1/api-keys/${id}/revoke`, {})
    return String(id)
  }

  async #humanTask(namespace: string, workflowId: string): Promise<string> {
    await this.#post(`/v1/executions?namespace=${namespace}`, { id: workflowId, workflow: 'approving' })
    for (let i = 0; i < POLLS_MOST; i++) {
      const at = `/v1/human-tasks?namespace=${namespace}&workflowId=${workflowId}`
      const [task] = (await this.#call('GET', at)).tasks as readonly { readonly id: string }[]
      if (task !== undefined) return task.id
      await delay(POLL_MS)
    }
    throw new Error(`the human task of ${workflowId} did not come`)
  }

  async #claim(namespace: string, id: string, claimant: string | undefined): Promise<string> {
    // A queue of its own: nothing else is claimed.
    await this.#post(`/v1/tasks?namespace=${namespace}`, { id, name: 'outside', queue: id })
    // Not over the API: to who answers without a socket it looks as if the caller had gone, and the claim is given back.
    const [claim] = await this.#fixture.desk.take({
      ...{
        namespace,
        queue: id,
        worker: 'things',
        tasks: ['outside'],
        most: 1,
        waitMs: 10_000,
        leaseMs: 3_600_000,
      },
      caller: claimant ?? 'another one',
    })
    assert.ok(claim !== undefined)
    return claim.token
  }

  async #shown(namespace: string): Promise<string> {
    const lists = LISTS.map((list) => this.#call('GET', `/v1/${list}?namespace=${namespace}`))
    return JSON.stringify(await Promise.all(lists))
  }

  #post(url: string, body: object): Promise<Record<string, unknown>> {
    return this.#call('POST', url, body)
  }

  async #call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH',
    url: string,
    body?: object,
  ): Promise<Record<string, unknown>> {
    this.#authorization ??= (await this.#fixture.bearer(['admin@*'])).header
    const response = await this.#fixture.inject({
      method,
      url,
      headers: { authorization: this.#authorization },
      ...(body === undefined ? {} : { payload: body }),
    })
    assert.ok(response.statusCode < 300, `${method} ${url}: ${response.payload}`)
    return response.payload === '' ? {} : (response.json() as Record<string, unknown>)
  }
}
