import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { VirtualClock } from '../platform/virtual-clock.ts'
import { type NotReadyReason, ReadinessCheck } from './readiness.ts'

const session = { id: 7, incarnation: 'a' }

/** An engine and a node that are well, for the test to spoil. */
function parts() {
  const state = {
    isFailed: false,
    isHalted: false,
    isOpen: true,
    isDraining: false,
    session: session as typeof session | undefined,
    view: {} as object | undefined,
    asked: 0,
    answer: async (): Promise<boolean> => false,
  }
  const clock = new VirtualClock(0)
  const engine = {
    get isFailed() {
      return state.isFailed
    },
    session,
    committer: {
      get isHalted() {
        return state.isHalted
      },
    },
    assertOpen: () => {
      if (!state.isOpen) throw new Error('closed')
    },
  }
  const store = {
    hasCommitted: () => {
      state.asked += 1
      return state.answer()
    },
  }
  const alone = new ReadinessCheck({ engine, store, clock })
  const inCluster = new ReadinessCheck({ engine, store, clock, node: state })
  return { state, clock, alone, inCluster }
}

async function reasonOf(check: ReadinessCheck): Promise<NotReadyReason | undefined> {
  const readiness = await check.look()
  if (readiness.isReady) return undefined
  assert.ok(readiness.message.length > 10)
  return readiness.reason
}

describe('readiness', () => {
  test('an engine that is well is ready, alone and in a cluster', async () => {
    const { alone, inCluster } = parts()
    assert.equal(await reasonOf(alone), undefined)
    assert.equal(await reasonOf(inCluster), undefined)
    assert.equal(inCluster.isDraining, false)
  })

  test('what is wrong is said, and what is worst first', async () => {
    const { state, inCluster, alone } = parts()
    state.isHalted = true
    assert.equal(await reasonOf(inCluster), 'recovering')
    state.view = undefined
    assert.equal(await reasonOf(inCluster), 'starting')
    state.session = undefined
    assert.equal(await reasonOf(inCluster), 'fenced')
    state.session = { id: 8, incarnation: 'b' }
    assert.equal(await reasonOf(inCluster), 'fenced')
    assert.equal(await reasonOf(alone), 'recovering')
    state.isOpen = false
    assert.equal(await reasonOf(inCluster), 'starting')
    state.isDraining = true
    assert.equal(await reasonOf(inCluster), 'draining')
    assert.equal(await reasonOf(alone), 'starting')
    state.isFailed = true
    assert.equal(await reasonOf(inCluster), 'failed')
    assert.equal(inCluster.isFailed, true)
  })

  test('an engine that lets nobody in is not ready; one with old policies is, and says so', async () => {
    const { state, clock } = parts()
    const access = { isShut: false, trouble: undefined as string | undefined }
    const engine = { ...session, isFailed: false, session, committer: state, assertOpen: () => {} }
    const store = { hasCommitted: async () => false }
    const check = new ReadinessCheck({ engine, store, clock, access: () => access })
    assert.deepEqual(await check.look(), { isReady: true })
    access.trouble = 'policies of the files: /etc/secret.cedar: line 1'
    const old = await check.look()
    assert.ok(old.isReady && /not in force/.test(old.warning ?? ''), JSON.stringify(old))
    // It is asked by strangers.
    assert.doesNotMatch(JSON.stringify(old), /secret/)
    access.isShut = true
    assert.equal(await reasonOf(check), 'access-shut')
    state.isHalted = true
    assert.equal(await reasonOf(check), 'recovering')
  })

  test('an engine that is about to end is not ready from the first moment', async () => {
    const { state, alone } = parts()
    alone.beginDraining()
    assert.equal(alone.isDraining, true)
    assert.equal(await reasonOf(alone), 'draining')
    assert.equal(state.asked, 0)
  })

  test('a database that fails, or does not answer in time, is away; one that answers again is not', async () => {
    const { state, clock, alone } = parts()
    state.answer = () => Promise.reject(new Error('no connection'))
    assert.equal(await reasonOf(alone), 'store-away')
    const late = Promise.withResolvers<boolean>()
    state.answer = () => late.promise
    const silent = Array.from({ length: 20 }, () => reasonOf(alone))
    await turn()
    while (clock.runNext());
    for (const reason of await Promise.all(silent)) assert.equal(reason, 'store-away')
    assert.equal(clock.nowMs(), 1000)
    // Twenty have asked: the database was asked once.
    assert.equal(state.asked, 2)
    state.answer = async () => false
    late.resolve(false)
    await turn()
    assert.equal(await reasonOf(alone), undefined)
  })

  test('what the database has told meanwhile counts', async () => {
    const { state, inCluster } = parts()
    state.answer = async () => {
      state.session = undefined
      throw new Error('fenced')
    }
    assert.equal(await reasonOf(inCluster), 'fenced')
  })
})
