/** The ways in which a primary is lost here. Each leaves its servers as they are until it is mended. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PatroniCluster } from './patroni-cluster.ts'

export const FAIL_OVERS = [
  'switchover',
  'kill-postgres',
  'stop-server',
  'failover',
  'kill-server',
  'kill-patroni',
  'kill-etcd-too',
] as const
export type FailOver = (typeof FAIL_OVERS)[number]

/** How long a server that stood still, and was replaced, goes on standing still. */
const STILL_MS = 3000

export interface Roles {
  readonly leader: string
  readonly standby: string
}

/** Makes the primary lose its place. What is answered brings the servers back. */
export async function provoke(
  kind: FailOver,
  cluster: PatroniCluster,
  { leader, standby }: Roles,
): Promise<() => Promise<void>> {
  const server = cluster.member(leader)
  const restart = async (): Promise<void> => server.start()
  switch (kind) {
    case 'switchover':
      await cluster.patronictl('switchover', '--leader', leader, '--candidate', standby, '--force')
      return restart
    case 'failover':
      await cluster.patronictl('failover', '--candidate', standby, '--force')
      return restart
    case 'kill-postgres':
      server.killPostgres()
      return restart
    case 'kill-server':
      await server.kill()
      return restart
    case 'kill-patroni':
      // Its PostgreSQL lives on, and does not know that it is replaced.
      await server.killPatroni()
      return restart
    case 'stop-server':
      server.stop()
      return async () => {
        await sleep(STILL_MS)
        server.go()
      }
    case 'kill-etcd-too': {
      const [name = ''] = cluster.etcd.names
      await cluster.etcd.kill(name)
      server.killPostgres()
      return async () => cluster.etcd.start(name)
    }
  }
}
