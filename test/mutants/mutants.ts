/** The planted bugs: each must be caught by a suite of this repository. Patches lie beside this file, by name. */
import type { SimulationKind } from '../simulation/seed-pool.ts'

export interface Mutant {
  readonly name: string
  /** Name of its patch, if another suite catches the same bug. Default: its own. */
  readonly patch?: string
  /** What is broken, for people. */
  readonly what: string
  /** Seeds of the simulation that may be needed. */
  readonly seeds: number
  /** The seed that is simulated first. Default 1. */
  readonly firstSeed?: number
  /** Default: it shows itself in the simulation of executions. */
  readonly kind?: SimulationKind
  /** It shows itself in this test file, not in the simulation. */
  readonly suite?: string
  /** It is this test of the file that fails; no other one is run. Default: the first that fails. */
  readonly test?: string
}

export const mutants: readonly Mutant[] = [
  {
    name: 'acknowledge-before-commit',
    what: 'clients are answered before the commit of what the answer says',
    seeds: 10,
  },
  {
    name: 'release-effects-before-commit',
    what: 'step functions run before the commit of what they derive from',
    seeds: 10,
  },
  {
    name: 'deliver-completions-out-of-order',
    what: 'live code gets the newest completion first, replay the oldest',
    seeds: 10,
  },
  {
    name: 'two-completions-in-one-turn',
    what: 'live code gets all completions that are there in one turn, replay one',
    seeds: 10,
  },
  {
    name: 'skip-the-guard',
    what: 'the store takes batches of fenced sessions',
    seeds: 20,
  },
  {
    name: 'settle-by-a-plain-read',
    what: 'an unknown commit is settled without fencing the session first',
    seeds: 300,
  },
  {
    name: 'forget-a-timer-on-recovery',
    what: 'timers that became due while the engine was away are not read',
    seeds: 10,
  },
  {
    name: 'raise-the-horizon-late',
    what: 'the timer window raises its horizon after the page has been read, not before',
    seeds: 120,
  },
  {
    name: 'fold-insert-and-update-to-the-insert',
    what: 'a summary that is inserted and changed in one batch is written as inserted',
    seeds: 10,
  },
  {
    name: 'lose-a-buffered-signal',
    what: 'of several signals that came early the last one stays',
    seeds: 10,
  },
  {
    name: 'lose-signals-on-continue',
    what: 'the next run gets all unconsumed signals but the oldest',
    seeds: 20,
  },
  {
    name: 'count-attempts-in-memory-only',
    what: 'after a reload the attempts of a step are counted from the start',
    seeds: 10,
  },
  {
    name: 'answer-queries-from-memory',
    what: 'queries are answered before the commit of what the code has seen',
    seeds: 20,
  },
  {
    name: 'accept-a-signal-twice',
    what: 'request ids of signals are not compared',
    seeds: 20,
  },
  {
    name: 'start-over-without-reading-again',
    what: 'an execution that was being read when the engine started over is used as it was read',
    seeds: 400,
  },
  {
    name: 'look-for-an-id-once',
    what: 'a start takes what the store said of its id, whatever has left memory meanwhile',
    seeds: 60,
  },
  {
    name: 'recover-nothing',
    what: 'after a start nothing that was active is read from the store',
    seeds: 10,
  },
  {
    name: 'start-tasks-before-commit',
    what: 'tasks run before the commit of their enqueueing',
    seeds: 10,
    kind: 'tasks',
  },
  {
    name: 'forget-that-a-task-left',
    what: 'a page of what waits wins over the end of a task that came while it was read',
    seeds: 60,
    kind: 'tasks',
  },
  {
    name: 'act-on-a-task-as-it-was-read',
    what: 'a call changes a task as the store had it, whatever another call has done meanwhile',
    seeds: 300,
    kind: 'tasks',
  },
  {
    name: 'rekey-drops-a-task',
    what: 'when the settings of a queue have changed, one task of each page is not moved',
    seeds: 20,
    kind: 'tasks',
  },
  {
    name: 'move-a-task-that-runs',
    what: 'a change of settings puts tasks that run among those that wait',
    seeds: 40,
    kind: 'tasks',
  },
  {
    name: 'move-before-the-commit',
    what: 'after a change of settings the store is read before all that waits is there',
    seeds: 60,
    kind: 'tasks',
  },
  {
    name: 'name-two-moves-alike',
    what: 'a change that takes another one back puts tasks into the lanes that it empties',
    seeds: 60,
    kind: 'tasks',
  },
  {
    name: 'forget-a-pause',
    what: 'after a restart a queue that was paused at run time goes on',
    seeds: 60,
    kind: 'tasks',
  },
  {
    name: 'let-two-claim-a-seat',
    what: 'who may take a seat may take it from its holder',
    seeds: 0,
    suite: 'test/people/human-tasks.test.ts',
  },
  {
    name: 'forget-four-eyes-between-open-tasks',
    what: 'four eyes do not see who has decided a task that is still open',
    seeds: 0,
    suite: 'test/people/human-tasks.test.ts',
  },
  {
    name: 'arm-one-escalation',
    what: 'after an escalation no timer is armed for what comes next',
    seeds: 0,
    suite: 'test/people/human-tasks.test.ts',
  },
  {
    name: 'leave-a-task-in-the-inbox',
    what: 'a task with a due time stays in the inboxes when it has ended',
    seeds: 0,
    suite: 'test/people/human-tasks.test.ts',
  },
  {
    name: 'count-an-action-twice',
    what: 'a comment that is repeated with its request id counts twice',
    seeds: 0,
    suite: 'test/people/human-tasks.test.ts',
  },
  {
    name: 'lose-the-round-of-a-refund',
    what: 'a key loses the credit of a round when a task of it was shorter than its estimate',
    seeds: 0,
    suite: 'test/queueing/fairness.test.ts',
  },
  {
    name: 'leak-a-slot',
    what: 'the end of some tasks frees no slot',
    seeds: 20,
    kind: 'tasks',
  },
  {
    name: 'accept-a-stale-token-over-a-network',
    patch: 'accept-a-stale-token',
    what: 'the token of a dispatch stays good after its end was told',
    seeds: 20,
    kind: 'dispatch',
  },
  {
    name: 'leak-a-credit-over-a-network',
    patch: 'leak-a-credit',
    what: 'a report that crosses an abort does not free the place of the task',
    seeds: 20,
    kind: 'dispatch',
  },
  {
    name: 'lose-the-tasks-of-a-worker-that-dies',
    patch: 'lose-the-tasks-of-a-lost-worker',
    what: 'the tasks of a worker that is gone do not wait again',
    seeds: 20,
    kind: 'dispatch',
  },
  {
    name: 'forget-which-tasks-kill-workers',
    patch: 'forget-how-many-workers-died',
    what: 'a task that kills workers is given to one after the other',
    seeds: 20,
    kind: 'dispatch',
  },
  {
    name: 'accept-a-stale-token',
    what: 'the token of a dispatch stays good after its end was told',
    seeds: 0,
    suite: 'test/workers/lying-workers.test.ts',
  },
  {
    name: 'leak-a-credit',
    what: 'a report that crosses an abort does not free the place of the task',
    seeds: 0,
    suite: 'test/workers/lying-workers.test.ts',
  },
  {
    name: 'lose-the-tasks-of-a-lost-worker',
    what: 'the tasks of a worker that is gone do not wait again',
    seeds: 0,
    suite: 'test/tasks/crew.test.ts',
  },
  {
    name: 'forget-how-many-workers-died',
    what: 'a task that kills workers is given to one after the other',
    seeds: 0,
    suite: 'src/core/task/task-record.test.ts',
  },
  {
    name: 'leave-deficits-unsettled',
    what: 'who runs longer than was charged owes nothing',
    seeds: 0,
    suite: 'src/core/queue/deficit-round-robin.test.ts',
  },
  {
    name: 'turn-aging-off',
    what: 'priorities do not rise with the time that tasks wait',
    seeds: 0,
    suite: 'src/core/queue/policies.test.ts',
  },
  {
    name: 'take-batches-that-the-guard-refused',
    what: 'a batch whose guard finds nothing does not abort: it is taken for committed',
    seeds: 0,
    suite: 'test/contract/postgres-store.test.ts',
    test: 'registering gives rising ids and fences the sessions before',
  },
  {
    name: 'take-a-warning-for-an-answer',
    what: 'a commit that was answered with a warning, as when the wait for a standby was cancelled, is taken for durable',
    seeds: 0,
    suite: 'test/postgres/unknown-commits.test.ts',
    test: 'a wait that was cancelled is answered with a warning: unknown, whatever the answer says',
  },
  {
    name: 'take-a-cancelled-batch-for-a-refused-one',
    what: 'a statement that an administrator has cancelled is taken for one that the store refuses each time',
    seeds: 0,
    suite: 'test/postgres/unknown-commits.test.ts',
    test: 'a statement that was cancelled is settled, not taken for an answer',
  },
  {
    name: 'fence-and-settle-in-one-statement',
    what: 'a session is fenced, and its last batch looked up, in one statement: what the fence has waited for is missed',
    seeds: 0,
    suite: 'test/postgres/unknown-commits.test.ts',
    test: 'a fence that has waited for the commit: what is read after it has all of it',
  },
  {
    name: 'fence-and-take-over-in-one-statement',
    what: 'whoever takes over fences, and reads what was committed, in one statement: what the fence has waited for is missed',
    seeds: 0,
    suite: 'test/postgres/unknown-commits.test.ts',
    test: 'a take-over that has waited for the last commit of the one before knows all of it',
  },
  {
    name: 'ask-a-primary-that-was-replaced',
    what: 'connections to the old primary stay when the new one is known',
    seeds: 0,
    suite: 'test/postgres/failover.test.ts',
    test: 'an old primary that lives on is not asked any more, once the new one is known',
  },
  {
    name: 'write-on-top-of-what-is-lost',
    what: 'what was built on the old primary is written to the one that has taken over',
    seeds: 0,
    suite: 'test/postgres/failover.test.ts',
    test: 'an old primary that lives on is not asked any more, once the new one is known',
  },
  {
    name: 'read-a-standby-for-a-decision',
    what: 'what an engine decides from is read from the standby that is there for lists',
    seeds: 0,
    suite: 'test/postgres/read-store.test.ts',
    test: 'while the replay stands still, a writer sees its own writes, and one line says so',
  },
  {
    name: 'take-a-shard-from-the-living',
    what: 'a shard is taken from a session that is not fenced',
    seeds: 0,
    suite: 'test/postgres/cluster-store.test.ts',
    test: 'nothing is taken from a session that lives, nor given to one that is fenced',
  },
  {
    name: 'lead-without-comparing',
    what: 'a candidate takes the lead from whoever has it by now',
    seeds: 0,
    suite: 'test/postgres/cluster-store.test.ts',
    test: 'one leads; another only when that one is fenced, and with the next term',
  },
  {
    name: 'give-a-shard-to-the-fenced',
    what: 'a shard is taken for a session that was fenced meanwhile',
    seeds: 0,
    suite: 'test/postgres/cluster-store.test.ts',
    test: 'nothing is taken from a session that lives, nor given to one that is fenced',
  },
  {
    name: 'judge-after-a-gap',
    what: 'a node that has not been looking, as in an outage of the database, judges the others by what it had seen before',
    seeds: 0,
    suite: 'test/cluster/members.test.ts',
  },
  {
    name: 'change-an-object-of-any-revision',
    what: 'the revision that a change of an administrative object is for is not compared',
    seeds: 0,
    suite: 'test/registry/registry.test.ts',
  },
  {
    name: 'keep-an-object-in-memory-alone',
    what: 'a change of an administrative object is in force, and was never written',
    seeds: 0,
    suite: 'test/registry/registry.test.ts',
  },
  {
    name: 'load-a-foreign-run',
    what: 'runs are read whoever owns their shard',
    seeds: 10,
    kind: 'cluster',
  },
  {
    name: 'keep-the-runs-of-a-released-shard',
    what: 'a shard is given up, and its runs stay in memory',
    seeds: 10,
    kind: 'cluster',
  },
  {
    name: 'apply-a-message-twice',
    what: 'a message of another node that comes again is applied again',
    seeds: 10,
    kind: 'cluster',
  },
  {
    name: 'note-a-number-on-arrival',
    what: 'the number of a message is noted when it arrives, not when it is applied',
    seeds: 10,
    kind: 'cluster',
  },
  {
    name: 'keep-shards-after-a-fence',
    what: 'another session goes on with the shards of the one before',
    seeds: 10,
    kind: 'cluster',
  },
  {
    name: 'acknowledge-mail-before-its-commit',
    what: 'a node is told that its messages are applied before that is durable',
    seeds: 10,
    kind: 'cluster',
  },
  {
    name: 'answer-as-a-fenced-owner',
    what: 'what is in memory is answered without a look whether the session still counts',
    seeds: 0,
    suite: 'src/server/cluster/owner-calls.test.ts',
  },
  {
    name: 'refuse-as-a-fenced-owner',
    what: 'a change of an administrative object is refused for its revision without a look whether the session still counts',
    seeds: 60,
    kind: 'cluster',
  },
  {
    name: 'lose-a-message-between-shards',
    what: 'a message to another node is sent, and never written down',
    seeds: 10,
    kind: 'cluster',
  },
  {
    name: 'let-a-message-block-its-pair',
    what: 'a message that was not applied holds up all that come after it from the same shard',
    seeds: 60,
    kind: 'cluster',
  },
  {
    name: 'record-in-another-commit',
    what: 'the row of a call is written in a commit after that of its change',
    seeds: 0,
    suite: 'test/audit/every-call.test.ts',
  },
  {
    name: 'chain-on-to-what-was-refused',
    what: 'the parts of a split batch follow rows that were never committed',
    seeds: 0,
    suite: 'test/audit/chains.test.ts',
  },
  {
    name: 'record-a-start-as-another-one',
    what: 'starts that come together are all recorded as the first of them',
    seeds: 0,
    suite: 'test/audit/chains.test.ts',
  },
  {
    name: 'overlook-a-cut-chain',
    what: 'the verification of an audit trail does not ask whether the last row that a head names is there',
    seeds: 0,
    suite: 'test/audit/verification.test.ts',
  },
  {
    name: 'bind-payloads-to-nothing',
    what: 'encrypted payloads are not bound to where they belong',
    seeds: 0,
    suite: 'test/encryption/payload-cipher.test.ts',
  },
  {
    name: 'use-an-iv-again',
    what: 'initialisation vectors repeat after 256 payloads',
    seeds: 0,
    suite: 'test/encryption/payload-cipher.test.ts',
  },
  {
    name: 'leave-signals-to-children-in-the-clear',
    what: 'what a workflow signals to its child is not encrypted',
    seeds: 0,
    suite: 'src/protocol/payload-places.test.ts',
  },
  {
    name: 'take-a-key-that-has-expired',
    what: 'an API key goes on after its end',
    seeds: 0,
    suite: 'test/access/api-keys.test.ts',
  },
  {
    name: 'take-a-token-that-has-expired',
    what: 'a token is good for an hour after its end',
    seeds: 0,
    suite: 'test/access/tokens.test.ts',
  },
  {
    name: 'tell-of-a-foreign-namespace',
    what: 'whoever has nothing to do with a namespace is told that something there is forbidden',
    seeds: 0,
    suite: 'test/access/role-matrix.test.ts',
  },
  {
    name: 'keep-decisions-over-a-revocation',
    what: 'what was decided stays so when a role is taken away',
    seeds: 0,
    suite: 'test/access/policies.test.ts',
  },
  {
    name: 'decide-without-the-address',
    what: 'a decision for one address counts for all',
    seeds: 0,
    suite: 'test/access/policies.test.ts',
  },
]
