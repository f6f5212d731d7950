/**
 * Schedules whose inputs are encrypted. An input is made once, for executions whose ids are made later: it is bound to the
 * prefix that these ids have.
 */
import type { PayloadPlace } from '../../protocol/encrypted-payload.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { SchedulePort, ScheduleTarget } from '../../protocol/schedule-port.ts'
import type { PayloadCodec } from './payload-codec.ts'

export function encryptedSchedules(port: SchedulePort, codec: PayloadCodec): SchedulePort {
  const place = ({ namespace }: ScheduleTarget, owner: string): PayloadPlace => ({
    namespace,
    owner,
    purpose: 'schedule-input',
  })
  const seal = (target: ScheduleTarget, input: Payload, prefix: string): Payload | Promise<Payload> =>
    codec.code(target.namespace, (coder) => coder.seal(input, place(target, prefix)))
  const open = (target: ScheduleTarget, input: Payload, prefix: string): Payload | Promise<Payload> =>
    codec.code(target.namespace, (coder) => coder.open(input, place(target, prefix)))
  return {
    create: async (target, spec, options) => {
      const { start } = spec
      const input = await seal(target, start.input, start.idPrefix)
      return port.create(target, { ...spec, start: { ...start, input } }, options)
    },
    update: async (target, changes) => {
      const { start } = changes
      if (start?.input === undefined && start?.idPrefix === undefined) return port.update(target, changes)
      // Input and prefix change together, whichever of them is given.
      const { start: before } = (await port.describe(target)).spec
      const prefix = start.idPrefix ?? before.idPrefix
      const plain = start.input ?? (await open(target, before.input, before.idPrefix))
      return port.update(target, {
        ...changes,
        start: { ...start, input: await seal(target, plain, prefix) },
      })
    },
    describe: async (target) => {
      const found = await port.describe(target)
      const { spec } = found
      const input = await open(target, spec.start.input, spec.start.idPrefix)
      return { ...found, spec: { ...spec, start: { ...spec.start, input } } }
    },
    pause: (target, reason) => port.pause(target, reason),
    resume: (target) => port.resume(target),
    trigger: (target, options) => port.trigger(target, options),
    backfill: (target, range) => port.backfill(target, range),
    list: (query) => port.list(query),
    delete: (target) => port.delete(target),
  }
}
