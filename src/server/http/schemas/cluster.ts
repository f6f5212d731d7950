/** Shapes of what the API says of workers, nodes and shards. */
import Type from 'typebox'
import { answered, count, flag, list, optional } from './values.ts'

const share = Type.Number({ minimum: 0, maximum: 1 })

const worker = answered('Worker', {
  id: Type.String(),
  isLocal: flag('It is the process of the engine.'),
  build: optional(Type.String()),
  address: optional(Type.String({ description: 'Where it connected from.' })),
  queues: optional(list(Type.String(), 'Absent: all.')),
  zone: optional(Type.String()),
  labels: optional(Type.Record(Type.String(), Type.String())),
  weight: Type.Number(),
  capacity: optional(Type.Object({ cpu: optional(Type.Number()), memoryMb: optional(Type.Number()) })),
  credits: count('Tasks that it takes at once.'),
  running: count('Tasks that it has.'),
  givenUp: count('Tasks that were given up, and go on.'),
  tasks: optional(list(Type.String(), 'Names of the tasks that it has code for.')),
  workflows: list(Type.Object({ name: Type.String(), version: Type.String() })),
  executions: count('Whose code is live in it.'),
  isLeaving: Type.Boolean(),
  ejectedFrom: list(Type.String(), 'Queues that give it nothing for now, since too much failed there.'),
  load: optional(Type.Object({ cpu: share, eventLoopDelayMs: Type.Number(), memory: share, diskIo: share })),
})
export const workers = answered('Workers', { workers: list(worker, 'In the order of their ids.') })

const node = answered('Node', {
  node: Type.String({ description: 'Its name.' }),
  session: count('Another one after each start.'),
  address: optional(Type.String({ description: 'Where it listens. Absent: it is alone on its store.' })),
  isLeader: flag('It assigns the shards.'),
  isDraining: flag('It hands over what it has, and gets nothing.'),
  shards: count('That it has.'),
  weight: Type.Number(),
  isHere: flag('It was the one that was asked.'),
})
export const nodes = answered('Nodes', { nodes: list(node, 'Those that live, in the order of their names.') })

const shard = answered('Shard', {
  shard: count('Its number.'),
  node: optional(Type.String({ description: 'Its owner. Absent: it has none now.' })),
  session: optional(count('Of the owner.')),
  epoch: count('Rises with each owner.'),
})
export const shards = answered('Shards', { shards: list(shard) })
