/** Lists and history from a standby: never older than what a caller was told, whatever the standby does. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createEngine,
  type Engine,
  type Logger,
  signal,
  silentLogger,
  task,
  workflow,
} from '../../src/index.ts'
import { PostgresServer } from './server.ts'

const go = signal<number>('go')
const wait = workflow({
  name: 'wait',
  run: async (ctx, value: number) => value + (await ctx.waitFor(go)),
})

/** More than one page of what is retried. */
const TASKS = 700

interface Record {
  readonly message: string
  readonly reason: string
}

/** Keeps what is warned of. */
function keeping(records: Record[]): Logger {
  return {
    ...silentLogger,
    warn: (message, fields) => void records.push({ message, reason: String(fields?.reason ?? '') }),
  }
}

async function until(isTrue: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isTrue())) await sleep(10)
}

const countsOf = (engine: Engine): { readonly replica: number; readonly primary: number } =>
  engine.replicaCounts ?? assert.fail('no replica')

/** Acknowledged, so it is listed, and its history is there. */
async function startsAndSees(engine: Engine, id: string, from = engine): Promise<void> {
  const execution = await engine.start(wait, 1, { id })
  const { executions } = await from.list({ limit: 1 })
  assert.equal(executions[0]?.id, id)
  await execution.signal(go, 2)
  const history = await from.execution(wait, id).history()
  assert.ok(history.some(({ event }) => event.type === 'signal-received'))
}

/** Between an engine and a server: passes all on, until it goes dark. */
async function darkened(port: number) {
  const sockets: Socket[] = []
  let isDark = false
  const between = createServer((near) => {
    const far = connectSocket(port, '127.0.0.1')
    sockets.push(near, far)
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      from.on('data', (data) => (isDark ? undefined : to.write(data)))
      from.on('error', () => {})
      from.on('close', () => to.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(between, 'listening')
  const end = (): void => {
    between.close()
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (between.address() as AddressInfo).port,
    goDark: () => {
      isDark = true
    },
    end,
    [Symbol.asyncDispose]: async () => end(),
  }
}

describe('lists and history from a standby', () => {
  let primary: PostgresServer
  let standby: PostgresServer
  let database = ''
  const records: Record[] = []
  before(async () => {
    primary = await PostgresServer.start()
    database = (await primary.createDatabase()).name
    standby = await primary.startStandby('second')
  })
  after(async () => {
    await standby[Symbol.asyncDispose]()
    await primary[Symbol.asyncDispose]()
  })
  const open = (readStore = standby.url(database)): Promise<Engine> =>
    createEngine({
      store: primary.url(database),
      readStore,
      workflows: [wait],
      logger: keeping(records),
      shutdownGrace: 0,
    })
  /** Once it has been left alone for long enough. */
  const isUsedAgain = async (engine: Engine): Promise<void> => {
    const { replica } = countsOf(engine)
    await until(async () => {
      await engine.list()
      return countsOf(engine).replica > replica
    })
  }

  test('are read there, as new as what was acknowledged', async () => {
    records.length = 0
    await using engine = await open()
    for (let i = 0; i < 50; i++) await startsAndSees(engine, `plain-${i}`)
    await engine.listTasks()
    await engine.schedules.list()
    await engine.people.list()
    const { replica } = countsOf(engine)
    assert.ok(replica >= 50, `the replica has answered ${replica}`)
    const [row] = await standby.query(
      "select count(*)::int as n from pg_stat_activity where application_name = 'perdure replica'",
    )
    assert.ok(row?.n >= 1)
  })

  test('many at once are all answered, each once', async () => {
    await using engine = await open()
    await isUsedAgain(engine)
    const before = countsOf(engine)
    await Promise.all(Array.from({ length: 100 }, () => engine.list()))
    const { replica, primary: fallen } = countsOf(engine)
    assert.equal(replica + fallen - before.replica - before.primary, 100)
  })

  test('while the replay stands still, a writer sees its own writes, and one line says so', async () => {
    await using engine = await open()
    await isUsedAgain(engine)
    records.length = 0
    await standby.query('select pg_wal_replay_pause()')
    try {
      const before = countsOf(engine)
      for (let i = 0; i < 30; i++) await startsAndSees(engine, `paused-${i}`)
      const { replica, primary: fallen } = countsOf(engine)
      assert.equal(replica, before.replica)
      assert.ok(fallen >= before.primary + 60)
      assert.equal(records.length, 1)
      assert.match(records[0]?.reason ?? '', /it is behind: it has not replayed/)
    } finally {
      await standby.query('select pg_wal_replay_resume()')
    }
    await isUsedAgain(engine)
    assert.match(records.at(-1)?.message ?? '', /can be read again/)
  })

  test('an engine that starts while the replay stands still knows all that was acknowledged', async () => {
    await standby.query('select pg_wal_replay_pause()')
    try {
      const first = await open()
      await first.start(wait, 1, { id: 'decided' })
      await first.close()
      await using second = await open()
      await second.execution(wait, 'decided').signal(go, 4)
      assert.equal(await second.execution(wait, 'decided').result(), 5)
      await assert.rejects(second.start(wait, 9, { id: 'decided', onConflict: 'fail' }), {
        code: 'EXECUTION_EXISTS',
      })
    } finally {
      await standby.query('select pg_wal_replay_resume()')
    }
  })

  test('a replica that is stopped is found out, and found again', async () => {
    await using engine = await open()
    await isUsedAgain(engine)
    records.length = 0
    await standby.stop('immediate')
    try {
      for (let i = 0; i < 10; i++) await startsAndSees(engine, `stopped-${i}`)
      assert.equal(records.length, 1)
    } finally {
      await standby.start()
    }
    await isUsedAgain(engine)
    assert.equal(records.length, 2)
  })

  test('a replica whose network goes dark is not waited for', { timeout: 45_000 }, async () => {
    await using between = await darkened(standby.port)
    const url = standby.url(database).replace(`:${standby.port}`, `:${between.port}`)
    const engine = await open(url)
    await isUsedAgain(engine)
    records.length = 0
    between.goDark()
    // A read has a minute, and a connection five seconds: it would wait for these.
    for (let i = 0; i < 5; i++) {
      await startsAndSees(engine, `dark-${i}`)
      await sleep(1100)
    }
    assert.equal(records.length, 1)
    assert.match(records[0]?.reason ?? '', /it has said nothing/)
    // What hangs ends with its connection.
    between.end()
    await engine.close()
  })

  test('of several replicas the one that is there is used', async () => {
    await using engine = await open(standby.url(database).replace('127.0.0.1', '127.0.0.1:1,127.0.0.1'))
    await isUsedAgain(engine)
  })

  test('a primary, and a standby of another server, are no replicas', async () => {
    await using other = await PostgresServer.start()
    await other.query(`create database ${database}`)
    await using stranger = await other.startStandby('stranger')
    for (const [server, reason] of [
      [primary, /it is no standby, or was promoted/],
      [stranger, /standby of another database server/],
    ] as const) {
      records.length = 0
      await using engine = await open(server.url(database))
      await startsAndSees(engine, `wrong-${server.port}`)
      assert.deepEqual(countsOf(engine).replica, 0)
      assert.equal(records.length, 1)
      assert.match(records[0]?.reason ?? '', reason)
    }
  })

  test('one that is not there is told at the start, before anything is read, and nobody waits for it', async () => {
    const records: Record[] = []
    await using engine = await createEngine({
      store: primary.url(database),
      readStore: 'postgres://postgres@127.0.0.1:1/none',
      workflows: [wait],
      logger: keeping(records),
      shutdownGrace: 0,
    })
    await until(() => records.length > 0)
    assert.match(
      records[0]?.message ?? '',
      /the replica cannot be read: lists and history are read from the primary/,
    )
    assert.deepEqual(countsOf(engine), { replica: 0, primary: 0 })
  })

  test('what is to be retried is read from the primary, also in a cluster', async () => {
    let isBroken = true
    const fragile = task({
      name: 'fragile',
      retry: { maxAttempts: 1 },
      run: (_, value: number) => {
        if (isBroken) throw new Error('broken')
        return value
      },
    })
    await using node = await createEngine({
      store: primary.url(database),
      readStore: standby.url(database),
      cluster: {},
      workflows: [wait],
      tasks: [fragile],
      logger: silentLogger,
      shutdownGrace: 0,
    })
    await isUsedAgain(node)
    const handles = await node.enqueueMany(
      fragile,
      Array.from({ length: TASKS }, (_, input) => input),
    )
    await Promise.all(handles.map((handle) => assert.rejects(handle.result())))
    isBroken = false
    const { replica } = countsOf(node)
    // In pages of 500.
    assert.equal(await node.retryTasks({ name: 'fragile' }), TASKS)
    assert.equal(countsOf(node).replica, replica)
    assert.deepEqual(
      await Promise.all(handles.map((handle) => handle.result())),
      handles.map((_, i) => i),
    )
  })

  test('what one node acknowledged, the lists of another have', async () => {
    const node = (): Promise<Engine> =>
      createEngine({
        store: primary.url(database),
        readStore: standby.url(database),
        cluster: {},
        workflows: [wait],
        logger: silentLogger,
        shutdownGrace: 0,
      })
    const nodes = await Promise.all([node(), node()])
    try {
      const [first, second] = nodes
      await isUsedAgain(second)
      for (let i = 0; i < 50; i++) await startsAndSees(first, `node-${i}`, second)
      assert.ok(countsOf(second).replica >= 50)
    } finally {
      await Promise.all(nodes.map((each) => each.close()))
    }
  })

  // The last one: the standby is none afterwards.
  test('a replica that was promoted is asked no more, also where it has more than the primary', async () => {
    await using engine = await open()
    await isUsedAgain(engine)
    records.length = 0
    await standby.promote()
    await standby.query('create table more as select generate_series(1, 100000) as n', [], database)
    for (let i = 0; i < 10; i++) await startsAndSees(engine, `promoted-${i}`)
    assert.equal(records.length, 1)
    assert.match(records[0]?.reason ?? '', /no standby/)
  })
})
