/**
 * What the clients of the mixed workload were told, over all lives of the process. The parent process keeps it, so a kill
 * takes nothing of it away.
 */
import { kindOf } from './mixed-cases.ts'
import type { Report } from './mixed-workload.ts'

export interface AcknowledgedEnd {
  readonly status: string
  readonly result: string | undefined
  /** The life of the process that told it. */
  readonly round: number
}

export class ClientLog {
  /** Cases that a client has begun to start: they may exist. */
  readonly driven = new Set<number>()
  /** Run ids that starts were acknowledged with: one, or several if the execution continued as new meanwhile. */
  readonly starts = new Map<number, string[]>()
  readonly signals = new Map<string, number>()
  readonly updates = new Map<string, string>()
  readonly ends = new Map<number, AcknowledgedEnd>()
  readonly rejections: { readonly number: number; readonly code: string; readonly message: string }[] = []
  readonly failures: { readonly code: string; readonly message: string }[] = []
  /** Answers that contradict earlier ones. */
  readonly contradictions: string[] = []
  acknowledgements = 0

  get unfinished(): number[] {
    return [...this.driven].filter((number) => !this.ends.has(number))
  }

  /** Started for certain, and not known to have ended. */
  get openStarts(): number {
    let open = 0
    for (const number of this.starts.keys()) if (!this.ends.has(number)) open += 1
    return open
  }

  add(report: Report, round: number): void {
    switch (report[0]) {
      case 'driving':
        this.driven.add(report[1])
        return
      case 'started':
        return this.#start(report[1], report[2])
      case 'signalled':
        this.acknowledgements += 1
        this.signals.set(report[2], report[1])
        return
      case 'updated':
        return this.#note(this.updates, report[2], report[3], `answer to update ${report[2]}`)
      case 'ended':
        return this.#end(report[1], { status: report[2], result: report[3] ?? undefined, round })
      case 'rejected':
        this.rejections.push({ number: report[1], code: report[2], message: report[3] })
        return
      case 'failed':
        this.failures.push({ code: report[1], message: report[2] })
        return
      default:
    }
  }

  #start(number: number, runId: string): void {
    this.acknowledgements += 1
    const known = this.starts.get(number)
    if (known === undefined) this.starts.set(number, [runId])
    else if (known.at(-1) !== runId) {
      if (kindOf(number) !== 'rounds')
        this.contradictions.push(`I1: case ${number} ran as ${known}, then as ${runId}`)
      known.push(runId)
    }
  }

  #note<K>(notes: Map<K, string>, key: K, value: string, what: string): void {
    this.acknowledgements += 1
    const known = notes.get(key)
    if (known === undefined) notes.set(key, value)
    else if (known !== value) this.contradictions.push(`I2: the ${what} was ${known}, then ${value}`)
  }

  #end(number: number, end: AcknowledgedEnd): void {
    this.acknowledgements += 1
    const known = this.ends.get(number)
    if (known === undefined) this.ends.set(number, end)
    else if (known.status !== end.status || known.result !== end.result)
      this.contradictions.push(
        `I2: case ${number} ended as ${known.status} ${known.result}, then as ${end.status} ${end.result}`,
      )
  }
}
