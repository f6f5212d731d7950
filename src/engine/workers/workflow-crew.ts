/**
 * All that run workflow code: this process, and workers in others.
 *
 * 1. Code that this process has runs here. Other runs go to the worker with the fewest, of those with the build that they
 *    began on if there are any, and stay there while they are live.
 * 2. A run whose history the code of one worker cannot replay is tried on those with other builds, and is parked only when
 *    none of them can.
 * 3. When the last worker with some code has left, its runs wait for another for `graceMs`, and are parked then. So are,
 *    after a start, the runs of an engine without code of its own.
 */
import type { Cancel, Clock } from '../../platform/clock.ts'
import type {
  Activation,
  ActiveRun,
  RemoteWorkerHost,
  RunInfo,
  WorkerPort,
} from '../../protocol/worker-port.ts'
import type { RemoteRun } from './remote-run.ts'
import type { RemoteWorkflowWorker } from './remote-workflow-worker.ts'
import { WaitingRun } from './waiting-run.ts'

export interface WorkflowCrewOptions<Owner> {
  /** The code of this process. */
  readonly local: WorkerPort<Owner>
  readonly clock: Clock
  /** How long runs wait for code that was there. Default 10 s. */
  readonly graceMs?: number
  /** This process has no code. */
  readonly isRemote: boolean
}

const GRACE_MS = 10_000
/** Runs that are tried on one worker after the other, beyond which the first ones are tried on all of them again. */
const UNFIT_MAX = 10_000

export class WorkflowCrew<Owner> implements WorkerPort<Owner> {
  readonly #options: WorkflowCrewOptions<Owner>
  readonly #graceMs: number
  readonly #members = new Set<RemoteWorkflowWorker<Owner>>()
  readonly #waiting = new Set<WaitingRun<Owner>>()
  /** Until when code is waited for whose last worker has left. */
  readonly #leftUntilMs = new Map<string, number>()
  /** Until when any code is waited for. */
  readonly #anyUntilMs: number
  /** Code that could not replay a run, while others are tried. */
  readonly #unfit = new Map<string, Set<string>>()
  #host: RemoteWorkerHost<Owner> | undefined
  #sweep: { readonly cancel: Cancel; readonly atMs: number } | undefined

  constructor(options: WorkflowCrewOptions<Owner>) {
    this.#options = options
    this.#graceMs = options.graceMs ?? GRACE_MS
    this.#anyUntilMs = options.isRemote ? options.clock.nowMs() + this.#graceMs : Number.NEGATIVE_INFINITY
  }

  connect(host: RemoteWorkerHost<Owner>): void {
    this.#host = host
  }

  get busyRuns(): number {
    return this.#options.local.busyRuns
  }

  get runningSteps(): number {
    return this.#options.local.runningSteps
  }

  get isQuiet(): boolean {
    if (!this.#options.local.isQuiet) return false
    for (const member of this.#members) if (!member.isQuiet) return false
    return true
  }

  member(id: string, namespace: string): RemoteWorkflowWorker<Owner> | undefined {
    for (const member of this.#members)
      if (member.options.id === id && member.options.namespace === namespace) return member
    return undefined
  }

  /** Live in workers of other processes. */
  get remoteRuns(): number {
    let runs = 0
    for (const member of this.#members) runs += member.runs
    return runs
  }

  /** Whether some process has this code now. */
  has(workflow: string, version: string, namespace: string): boolean {
    if (this.#options.local.supports(workflow, version, namespace)) return true
    for (const member of this.#members) if (canRun(member, workflow, version, namespace)) return true
    return false
  }

  /** Whether an execution may be started: without code in this process all of it comes from workers, which may connect later. */
  knows(workflow: string, version: string, namespace: string): boolean {
    return this.#options.isRemote || this.has(workflow, version, namespace)
  }

  supports(workflow: string, version: string, namespace: string): boolean {
    if (this.has(workflow, version, namespace)) return true
    return this.#untilMs(codeText(workflow, version, namespace)) > this.#options.clock.nowMs()
  }

  activate(activation: Activation<Owner>): ActiveRun {
    const { local } = this.#options
    const { info } = activation
    const { workflow, version, key } = info
    if (local.supports(workflow, version, key.namespace)) return local.activate(activation)
    const member = this.#memberFor(info)
    if (member !== undefined) return member.activate(activation)
    const code = codeText(workflow, version, key.namespace)
    const run = new WaitingRun(activation.owner, code, (evicted) => this.#forget([evicted]))
    this.#waiting.add(run)
    this.#sweepAt(this.#untilMs(code))
    return run
  }

  join(member: RemoteWorkflowWorker<Owner>): void {
    this.#members.add(member)
    const { namespace, workflows } = member.options
    if (workflows.length === 0) return
    const code = workflows.map(({ name, version }) => ({ namespace, workflow: name, version }))
    const texts = new Set(code.map(({ workflow, version }) => codeText(workflow, version, namespace)))
    for (const text of texts) this.#leftUntilMs.delete(text)
    this.#wake(({ code: text }) => texts.has(text))
    this.#host?.onCodeArrived(code)
  }

  /** It has lost its connection, or said that it is about to end: its runs go to others. */
  leave(member: RemoteWorkflowWorker<Owner>, how: 'leave' | 'lost'): void {
    const { namespace, workflows } = member.options
    const isFirst = !member.isLeaving
    if (how === 'lost') this.#members.delete(member)
    if (isFirst) {
      // Before its runs are told: whether there is code for them is looked at at once.
      member.isLeaving = true
      const nowMs = this.#options.clock.nowMs()
      this.#forgetCode(nowMs)
      const untilMs = nowMs + this.#graceMs
      for (const { name, version } of workflows)
        if (!this.has(name, version, namespace))
          this.#leftUntilMs.set(codeText(name, version, namespace), untilMs)
    }
    if (how === 'lost') member.lost()
    else member.leave()
  }

  /** Its code does not fit the history of the run. True: the run is to be activated again, elsewhere. */
  isTriedElsewhere(member: RemoteWorkflowWorker<Owner>, { info }: RemoteRun<Owner>): boolean {
    const unfit = this.#unfit.get(info.runId) ?? new Set()
    unfit.add(member.codeOf)
    for (const other of this.#members) {
      if (!supportsRun(other, info) || unfit.has(other.codeOf)) continue
      this.#unfit.set(info.runId, unfit)
      // Some have ended, or were parked, while they waited for a worker.
      for (const oldest of this.#unfit.keys()) {
        if (this.#unfit.size <= UNFIT_MAX) break
        this.#unfit.delete(oldest)
      }
      return true
    }
    this.#unfit.delete(info.runId)
    return false
  }

  replayed({ info }: RemoteRun<Owner>): void {
    if (this.#unfit.size > 0) this.#unfit.delete(info.runId)
  }

  #memberFor(info: RunInfo): RemoteWorkflowWorker<Owner> | undefined {
    const able = [...this.#members].filter((member) => supportsRun(member, info))
    const unfit = this.#unfit.get(info.runId)
    const fit = unfit === undefined ? able : able.filter(({ codeOf }) => !unfit.has(codeOf))
    // The others have left meanwhile.
    const tried = fit.length > 0 ? fit : able
    const same = info.build === undefined ? [] : tried.filter(({ build }) => build === info.build)
    return leastLoaded(same.length > 0 ? same : tried)
  }

  #untilMs(code: string): number {
    return Math.max(this.#anyUntilMs, this.#leftUntilMs.get(code) ?? Number.NEGATIVE_INFINITY)
  }

  /** Runs whose code is not waited for any more are looked for then, if not earlier. */
  #sweepAt(atMs: number): void {
    if (this.#sweep !== undefined && this.#sweep.atMs <= atMs) return
    this.#sweep?.cancel()
    const { clock } = this.#options
    const cancel = clock.after(Math.max(0, atMs - clock.nowMs()), () => {
      this.#sweep = undefined
      const nowMs = clock.nowMs()
      this.#wake(({ code }) => this.#untilMs(code) <= nowMs)
      this.#forgetCode(nowMs)
      let firstMs = Number.POSITIVE_INFINITY
      for (const { code } of this.#waiting) firstMs = Math.min(firstMs, this.#untilMs(code))
      if (this.#waiting.size > 0) this.#sweepAt(firstMs)
    })
    this.#sweep = { cancel, atMs }
  }

  /** It is not waited for any more. */
  #forgetCode(nowMs: number): void {
    for (const [code, untilMs] of this.#leftUntilMs) if (untilMs <= nowMs) this.#leftUntilMs.delete(code)
  }

  /** They are activated again: by code that is there, or to be parked. */
  #wake(isWoken: (run: WaitingRun<Owner>) => boolean): void {
    const woken = [...this.#waiting].filter(isWoken)
    this.#forget(woken)
    if (woken.length > 0) this.#host?.onRunsLost(woken.map(({ owner }) => owner))
  }

  #forget(runs: readonly WaitingRun<Owner>[]): void {
    for (const run of runs) this.#waiting.delete(run)
    if (this.#waiting.size > 0) return
    this.#sweep?.cancel()
    this.#sweep = undefined
  }
}

function canRun<Owner>(
  member: RemoteWorkflowWorker<Owner>,
  workflow: string,
  version: string,
  namespace: string,
): boolean {
  return !member.isLeaving && member.supports(workflow, version, namespace)
}

function supportsRun<Owner>(
  member: RemoteWorkflowWorker<Owner>,
  { workflow, version, key }: RunInfo,
): boolean {
  return canRun(member, workflow, version, key.namespace)
}

function leastLoaded<Owner>(
  members: readonly RemoteWorkflowWorker<Owner>[],
): RemoteWorkflowWorker<Owner> | undefined {
  let least: RemoteWorkflowWorker<Owner> | undefined
  let leastLoad = Number.POSITIVE_INFINITY
  for (const member of members) {
    const load = (member.runs + 1) / member.options.weight
    if (load >= leastLoad) continue
    least = member
    leastLoad = load
  }
  return least
}

function codeText(workflow: string, version: string, namespace: string): string {
  return `${namespace}\0${workflow}\0${version}`
}
