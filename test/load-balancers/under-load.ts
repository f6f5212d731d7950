/** Loads that go through load balancers, while something happens to the nodes behind them. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FRONTS, type Front, type FrontName } from './front.ts'

/** Of each kind, for each load balancer. */
export const CLIENTS = 4

/** What the clients of one kind have seen. */
export interface Tally {
  answered: number
  /** Calls without an answer, and answers that are wrong. */
  readonly failures: string[]
  /** Connections that ended while they had a call open on them. */
  cut: number
}

export type Load = (front: Front, tally: Tally, isOver: () => boolean, id: string) => Promise<void>

type Tallies<Name extends string> = Readonly<Record<FrontName, Readonly<Record<Name, Tally>>>>

/** All loads by both load balancers, while `disturb` does what it does. */
export async function underLoad<Name extends string>(
  fronts: Readonly<Record<FrontName, Front>>,
  loads: Readonly<Record<Name, Load>>,
  round: string,
  disturb: () => Promise<void>,
): Promise<Tallies<Name>> {
  let isOver = false
  const running: Promise<void>[] = []
  const tallies = FRONTS.map((front) => {
    // The cast: `Object.keys` does not say that they are names of its fields.
    const ofFront = (Object.keys(loads) as Name[]).map((name) => {
      const tally: Tally = { answered: 0, failures: [], cut: 0 }
      for (let i = 0; i < CLIENTS; i++)
        running.push(loads[name](fronts[front], tally, () => isOver, `${round}-${front}-${name}-${i}`))
      return [name, tally] as const
    })
    return [front, Object.fromEntries(ofFront) as Record<Name, Tally>] as const
  })
  const all = tallies.flatMap(([, byLoad]) => Object.values<Tally>(byLoad))
  /** Each kind has got that many answers, or failures, from now on. */
  const goesOn = async (): Promise<void> => {
    const seen = all.map(({ answered, failures }) => answered + failures.length + 2 * CLIENTS)
    while (!all.every(({ answered, failures }, i) => answered + failures.length >= (seen[i] ?? 0)))
      await sleep(20)
  }
  await goesOn()
  await disturb()
  await goesOn()
  isOver = true
  await Promise.all(running)
  return Object.fromEntries(tallies) as Tallies<Name>
}

/** Those that are established with whoever listens at the port; Linux shows them. */
export function connectionsTo(port: number): number {
  const established = new RegExp(
    `^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, '0')} \\S+ 01 `,
    'gm',
  )
  return readFileSync('/proc/net/tcp', 'utf8').match(established)?.length ?? 0
}

export function tell(t: TestContext, front: FrontName, tallies: Readonly<Record<string, Tally>>): void {
  for (const [name, { answered, failures, cut }] of Object.entries(tallies))
    t.diagnostic(`${front}, ${name}: ${answered} answered, ${failures.length} failed, ${cut} cut off`)
}

export async function readinessOf(port: number): Promise<Readonly<Record<string, string>>> {
  const [response] = (await once(
    get({ host: '127.0.0.1', port, path: '/readyz', agent: false }),
    'response',
  )) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return JSON.parse(text)
}
