/** No credentials are asked for: whoever reaches the door may do everything. For doors that only this machine reaches. */
import type { Caller } from '../../protocol/caller.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import type { Access, Credentials } from './access.ts'
import { type ActingPort, type ActingRule, type RuleMaker, ruleMakerOf } from './rule-maker.ts'

const OPEN = { id: 'open', kind: 'open', groups: [] } as const

export class OpenAccess implements Access {
  readonly isClosed = false
  readonly clientCertificates = 'required'
  readonly #portOf: (caller: Caller) => ClientPort

  /** @param portOf the engine's, in the name of a caller */
  constructor(portOf: (caller: Caller) => ClientPort) {
    this.#portOf = portOf
  }

  async authenticate({ address }: Credentials): Promise<Caller> {
    return { ...OPEN, address }
  }

  beginRequest(): void {}

  beginAnswer(): () => void {
    return () => {}
  }

  useUp(): void {}

  portOf(caller: Caller): ClientPort {
    return this.#portOf(caller)
  }

  async assertWorker(): Promise<void> {}

  followWorker(): () => void {
    return () => {}
  }

  async assertMay(): Promise<readonly string[]> {
    return []
  }

  async assertMayAct(): Promise<void> {}

  troubleOf(): undefined {}

  makerOf(caller: Caller): RuleMaker {
    return ruleMakerOf(caller)
  }

  async actingPort({ name }: ActingRule): Promise<ActingPort> {
    return this.#portOf({ ...OPEN, name })
  }

  isPermitted(): boolean {
    return true
  }

  follow(): () => void {
    return () => {}
  }
}
