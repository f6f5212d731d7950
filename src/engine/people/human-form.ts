/** What people fill in, held against the form of their task. */

import { preparedData, VERDICTS } from '../../core/execution/human/decide-seat.ts'
import { heldSeat } from '../../core/execution/human/human-rules.ts'
import type { PendingHuman } from '../../core/execution/human/human-state.ts'
import { type JsonCheck, jsonCheck } from '../../platform/json-schema.ts'
import { isEncrypted } from '../../protocol/encrypted-payload.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Actor, HumanAction } from '../../protocol/human-task.ts'
import { isJson, type Json } from '../../protocol/json.ts'
import { decodePayload } from '../../protocol/payload.ts'

const CHECKS_KEPT = 1000

export class HumanForms {
  /** By the text of the schema, the one used last at the end. */
  readonly #checks = new Map<string, JsonCheck>()

  /** @throws PerdureError `HUMAN_TASK_DATA_INVALID` */
  check({ spec, ...pending }: PendingHuman, actor: Actor, action: HumanAction): void {
    if (action.kind !== 'complete' && action.kind !== 'approve' && action.kind !== 'reject') return
    const { data } = action
    const { form } = spec
    if (data === undefined) {
      // What was prepared for the lender, to be decided so, was held against the form before.
      const held = heldSeat({ spec, ...pending }, actor.user)
      const prepared = held === undefined ? undefined : preparedData(held, VERDICTS[action.kind])
      if (form === undefined || action.kind === 'reject' || prepared !== undefined) return
      throw new PerdureError('HUMAN_TASK_DATA_INVALID', `the form of '${spec.title}' is not filled in`)
    }
    // What is encrypted was held against the form by the client: it cannot be read here.
    if (isEncrypted(data)) return
    const value = plainJson(decodePayload(data))
    const wrong = form === undefined ? undefined : this.#wrongIn(form, value)
    if (wrong !== undefined)
      throw new PerdureError('HUMAN_TASK_DATA_INVALID', `the form of '${spec.title}', ${wrong}`)
  }

  #wrongIn(form: Json, value: Json): string | undefined {
    try {
      return this.#checkOf(form)(value)
    } catch (error) {
      throw new PerdureError('HUMAN_TASK_DATA_INVALID', 'the form itself is wrong', { cause: error })
    }
  }

  #checkOf(form: Json): JsonCheck {
    const text = JSON.stringify(form)
    const known = this.#checks.get(text)
    this.#checks.delete(text)
    const check = known ?? jsonCheck(form)
    this.#checks.set(text, check)
    for (const oldest of this.#checks.keys()) {
      if (this.#checks.size <= CHECKS_KEPT) break
      this.#checks.delete(oldest)
    }
    return check
  }
}

function plainJson(value: unknown): Json {
  if (!isJson(value)) throw new PerdureError('HUMAN_TASK_DATA_INVALID', 'what is filled in is not JSON')
  return value
}
