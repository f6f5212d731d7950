/** The calls of clients about workers: what is connected now. Nothing of it is stored. */
import type { WorkerLoad } from '../../core/balance/load-balancer.ts'
import type { WorkerDescription, WorkersPort } from '../../protocol/workers-port.ts'
import type { Engine } from '../engine.ts'
import type { LiveExecution } from '../live-execution.ts'
import type { LiveQueue } from '../tasks/live-queue.ts'
import type { LiveTask } from '../tasks/live-task.ts'
import type { CrewMember } from './crew-member.ts'
import type { WorkflowCrew } from './workflow-crew.ts'

export class WorkerCalls implements WorkersPort {
  readonly #engine: Engine
  readonly #workflows: WorkflowCrew<LiveExecution>

  constructor(engine: Engine, workflows: WorkflowCrew<LiveExecution>) {
    this.#engine = engine
    this.#workflows = workflows
  }

  async list(namespace: string): Promise<readonly WorkerDescription[]> {
    this.#engine.assertOpen()
    const nowMs = this.#engine.clock.nowMs()
    const { queues } = this.#engine.tasks
    // Where nothing waits nobody lets workers back when their time has come: it is done here.
    const ejecting = queues.all().filter(({ crew }) => Number.isFinite(crew.nextReturnMs(nowMs)))
    return [...this.#engine.tasks.crew.members()]
      .filter(({ profile }) => profile.isOwn !== true)
      .filter(({ profile }) => profile.namespace === undefined || profile.namespace === namespace)
      .map((member) => this.#description(member, ejecting))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  #description(
    { profile, credits, taken, givenUp, load }: CrewMember<LiveTask>,
    ejecting: readonly LiveQueue[],
  ): WorkerDescription {
    const { id, instance, isLocal = false, weight = 1, build, address, queues, zone, labels } = profile
    const { namespace, capacity, tasks } = profile
    const code = namespace === undefined ? undefined : this.#workflows.member(id, namespace)
    const ejectedFrom = ejecting.flatMap(({ key, crew }) =>
      (namespace === undefined || namespace === key.namespace) && crew.fleet.isEjected(id) ? [key.queue] : [],
    )
    return {
      id,
      ...(instance === undefined || instance === id ? {} : { instance }),
      isLocal,
      ...(build === undefined ? {} : { build }),
      ...(address === undefined ? {} : { address }),
      ...(queues === undefined ? {} : { queues }),
      ...(zone === undefined ? {} : { zone }),
      ...(labels === undefined ? {} : { labels }),
      weight,
      ...(capacity === undefined ? {} : { capacity }),
      credits,
      running: taken,
      givenUp,
      ...(tasks === undefined ? {} : { tasks }),
      workflows: code?.options.workflows ?? [],
      executions: isLocal ? this.#localRuns() : (code?.runs ?? 0),
      isLeaving: code?.isLeaving ?? false,
      ejectedFrom: [...new Set(ejectedFrom)],
      ...(load === undefined ? {} : { load: sharesOf(load) }),
    }
  }

  #localRuns(): number {
    let live = 0
    for (const { run } of this.#engine.table.all()) if (run !== undefined && run.isWaiting !== true) live += 1
    return live - this.#workflows.remoteRuns
  }
}

function sharesOf({ inFlight: _, ...shares }: WorkerLoad): Omit<WorkerLoad, 'inFlight'> {
  return shares
}
