import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../platform/logger.ts'
import { VirtualClock } from '../../platform/virtual-clock.ts'
import type { RunId } from '../../protocol/ids.ts'
import type { RemoteWorkerHost, RunInfo, WorkerPort } from '../../protocol/worker-port.ts'
import { RemoteWorkflowWorker } from './remote-workflow-worker.ts'
import { WorkflowCrew } from './workflow-crew.ts'

/** This process has no code. */
const local = { supports: () => false } as unknown as WorkerPort<string>

function infoOf(workflow: string): RunInfo {
  const key = { namespace: 'default', workflowId: workflow }
  return { key, runId: workflow as RunId, workflow, version: '1' }
}

test('a run is parked when the grace of its own code is over, also if that of another ends later', () => {
  const clock = new VirtualClock(0)
  const crew = new WorkflowCrew<string>({ local, clock, isRemote: false, graceMs: 10 })
  const lost: string[] = []
  const host = {
    onRunsLost: (owners: readonly string[]) =>
      void lost.push(...owners.map((owner) => `${owner} ${clock.nowMs()}`)),
    onCodeArrived: () => {},
  } as unknown as RemoteWorkerHost<string>
  crew.connect(host)
  const memberOf = (workflow: string): RemoteWorkflowWorker<string> =>
    new RemoteWorkflowWorker({
      id: workflow,
      namespace: 'default',
      build: undefined,
      weight: 1,
      workflows: [{ name: workflow, version: '1' }],
      host,
      logger: silentLogger,
      send: () => {},
      isTriedElsewhere: () => false,
      onReplayed: () => {},
    })
  const [early, late] = [memberOf('early'), memberOf('late')]
  crew.join(early)
  crew.join(late)
  crew.leave(early, 'lost')
  clock.advance(6)
  crew.leave(late, 'lost')
  crew.activate({ owner: 'late', info: infoOf('late'), history: [] })
  crew.activate({ owner: 'early', info: infoOf('early'), history: [] })
  for (let timers = 0; clock.runNext(); timers++) assert.ok(timers < 10)
  assert.deepEqual(lost, ['early 10', 'late 16'])
})
