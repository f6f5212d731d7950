/** The default coordinator; that over etcd is held against the same contract where etcd is, in test/etcd. */
import { DatabaseCoordinator } from '../../src/engine/cluster/coordinator.ts'
import { coordinatorContract } from './coordinator.contract.ts'

coordinatorContract('the database', async () => new DatabaseCoordinator())
