/** What clients may ask about workers. */
import type { TaskRequirements } from './task-port.ts'
import type { WorkflowCode } from './workflow-messages.ts'

/** A worker that is connected, or the engine's own process. */
export interface WorkerDescription {
  readonly id: string
  /** What it calls itself on all of its connections; absent: its id. */
  readonly instance?: string
  /** In a cluster: names of the nodes that it is connected to, or whose process it is. Numbers are the sums of all of them. */
  readonly nodes?: readonly string[]
  /** It is the process of the engine. */
  readonly isLocal: boolean
  readonly build?: string
  /** Where it connected from. */
  readonly address?: string
  /** Absent: all. */
  readonly queues?: readonly string[]
  readonly zone?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly weight: number
  readonly capacity?: Omit<TaskRequirements, 'labels'>
  /** Tasks that it takes at once, that it has, and that were given up and go on. */
  readonly credits: number
  readonly running: number
  readonly givenUp: number
  /** Names of the tasks that it has code for; absent: those of the engine's process. */
  readonly tasks?: readonly string[]
  readonly workflows: readonly WorkflowCode[]
  /** Whose code is live in it. */
  readonly executions: number
  /** It has said that it ends soon. */
  readonly isLeaving: boolean
  /** Queues that give it nothing for now, since too much failed there. */
  readonly ejectedFrom: readonly string[]
  /** As it reported it last. Shares are 0 to 1. */
  readonly load?: {
    readonly cpu: number
    readonly eventLoopDelayMs: number
    readonly memory: number
    readonly diskIo: number
  }
}

export interface WorkersPort {
  /** Of those that serve the namespace, in the order of their ids. */
  list(namespace: string): Promise<readonly WorkerDescription[]>
}
