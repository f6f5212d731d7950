import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { WorkerDescription } from '../../protocol/workers-port.ts'
import { oneOfEach } from './worker-calls.ts'

const described = (id: string, node: string, more: Partial<WorkerDescription> = {}) => ({
  id,
  isLocal: false,
  weight: 1,
  credits: 8,
  running: 0,
  givenUp: 0,
  workflows: [],
  executions: 0,
  isLeaving: false,
  ejectedFrom: [],
  ...more,
  nodes: [node],
})

describe('workers of a cluster', () => {
  test('what its nodes say of one worker is one description', () => {
    // 8 at once: 3 run at one node, 1 at the other, where one more was given up: 3 are free, and offered to both.
    const listed = [
      described('w', 'b', { credits: 6, running: 3, executions: 2, ejectedFrom: ['mail'] }),
      described('w', 'a', {
        credits: 5,
        running: 1,
        givenUp: 1,
        executions: 1,
        ejectedFrom: ['jobs', 'mail'],
      }),
    ]
    const [{ credits, running, givenUp, executions, ejectedFrom, nodes } = described('', ''), ...more] =
      oneOfEach(listed)
    assert.deepEqual(more, [])
    assert.deepEqual(
      { credits, running, givenUp, executions, ejectedFrom, nodes },
      { credits: 8, running: 4, givenUp: 1, executions: 3, ejectedFrom: ['jobs', 'mail'], nodes: ['a', 'b'] },
    )
  })

  test('a connection that got another id, as its old one is not known to be lost, is one of the same worker', () => {
    const listed = [described('w', 'a'), described('w-1f', 'a', { instance: 'w' }), described('w', 'b')]
    assert.deepEqual(
      oneOfEach(listed).map(({ id, instance, nodes }) => [id, instance, nodes]),
      [['w', undefined, ['a', 'b']]],
    )
  })

  test('each process of an engine stays for itself', () => {
    const listed = [
      described('local', 'b', { isLocal: true }),
      described('local', 'a', { isLocal: true }),
      described('w', 'a'),
    ]
    assert.deepEqual(
      oneOfEach(listed).map(({ id, nodes }) => [id, nodes]),
      [
        ['local', ['a']],
        ['local', ['b']],
        ['w', ['a']],
      ],
    )
  })
})
