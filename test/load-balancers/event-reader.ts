/** A reader of server-sent events, as simple as it can be: what comes, when it comes, and how it ends. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'

export interface ReadEvent {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: string
}

export class EventReader {
  readonly response: IncomingMessage
  readonly events: ReadEvent[] = []
  /** Resolves to whether all of it came: a stream that was cut has not said that it is over. */
  readonly ended: Promise<boolean>
  hasEnded = false
  #rest = ''
  #wake: () => void = () => {}

  private constructor(response: IncomingMessage) {
    this.response = response
    response.setEncoding('utf8').on('data', (text: string) => this.#take(text))
    response.on('error', () => {})
    this.ended = new Promise((resolve) =>
      response.once('close', () => {
        this.hasEnded = true
        this.#wake()
        resolve(response.complete)
      }),
    )
  }

  /** The status, if it is another than 200. */
  static async open(port: number, path: string, lastEventId?: string): Promise<EventReader | number> {
    const asking = request({
      host: '127.0.0.1',
      port,
      path,
      agent: false,
      headers: {
        accept: 'text/event-stream',
        'accept-encoding': 'gzip, br',
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
    })
    asking.end()
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    if (response.statusCode === 200) return new EventReader(response)
    response.resume()
    return response.statusCode ?? 0
  }

  get ids(): readonly string[] {
    return this.events.flatMap(({ id }) => id ?? [])
  }

  /** Resolves when so many events have come, or the stream has ended. */
  async has(count: number): Promise<void> {
    while (this.events.length < count && !this.hasEnded)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
  }

  close(): void {
    this.response.destroy()
  }

  #take(text: string): void {
    const blocks = `${this.#rest}${text}`.split('\n\n')
    this.#rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
      const data = field('data')
      if (data !== undefined) this.events.push({ id: field('id'), event: field('event'), data })
    }
    this.#wake()
  }
}
