/** No credentials are asked for: whoever reaches the door may do everything. For doors that only this machine reaches. */
import type { Caller } from '../../protocol/caller.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import type { Access, Credentials } from './access.ts'

export class OpenAccess implements Access {
  readonly isClosed = false
  readonly #port: ClientPort

  constructor(port: ClientPort) {
    this.#port = port
  }

  async authenticate({ address }: Credentials): Promise<Caller> {
    return { id: 'open', kind: 'open', groups: [], address }
  }

  portOf(): ClientPort {
    return this.#port
  }

  async assertWorker(): Promise<void> {}

  async assertMay(): Promise<void> {}

  follow(): () => void {
    return () => {}
  }
}
