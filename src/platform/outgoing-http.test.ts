import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { mayCall } from './outgoing-addresses.ts'
import { OutgoingError, type OutgoingTrouble } from './outgoing-error.ts'
import { type AddressLookup, callOut, type OutgoingCall } from './outgoing-http.ts'

async function withServer(answer: RequestListener, use: (port: number) => Promise<void>): Promise<void> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  try {
    await use((server.address() as AddressInfo).port)
  } finally {
    server.closeAllConnections()
    await new Promise<void>((resolve) => void server.close(() => resolve()))
  }
}

/** Names are what the test says, and each look-up is counted. */
function lookupOf(addresses: readonly string[]): {
  readonly lookup: AddressLookup
  readonly asked: string[]
} {
  const asked: string[] = []
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  const lookup = (host: string, _: unknown, done: (error: null, found: object) => void): void => {
    asked.push(host)
    done(null, found)
  }
  return { lookup: lookup as unknown as AddressLookup, asked }
}

async function troubleOf(call: OutgoingCall, lookup?: AddressLookup): Promise<OutgoingTrouble | number> {
  try {
    return (await callOut(call, lookup)).status
  } catch (error) {
    if (error instanceof OutgoingError) return error.trouble
    throw error
  }
}

describe('addresses', () => {
  const never = [
    ...['169.254.169.254', '169.254.0.1', '100.100.100.200', '168.63.129.16', '224.0.0.1', '255.255.255.255'],
    ...[
      'fe80::1',
      'fd00:ec2::254',
      'ff02::1',
      '2001:db8::1',
      '64:ff9b::a9fe:a9fe',
      '2002:7f00:1::',
      '::7f00:1',
    ],
    ...[
      '::ffff:169.254.169.254',
      'fe80::1%eth0',
      '::1%lo',
      '4000::1',
      'example.test',
      '',
      '127.1',
      '0x7f000001',
    ],
  ]
  const unlessAllowed = [
    ...[
      '127.0.0.1',
      '127.255.255.255',
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '100.64.0.1',
    ],
    ...['0.0.0.0', '198.18.0.1', '::1', '::', 'fd12::1', 'fc00::1', '::ffff:127.0.0.1', '::ffff:a00:1'],
  ]
  const always = ['1.1.1.1', '172.32.0.1', '11.0.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1']
  for (const address of never)
    test(`${address || 'nothing'} is never called`, () => {
      assert.deepEqual([mayCall(address, false), mayCall(address, true)], [false, false])
    })
  for (const address of unlessAllowed)
    test(`${address} is called if that is allowed`, () => {
      assert.deepEqual([mayCall(address, false), mayCall(address, true)], [false, true])
    })
  for (const address of always)
    test(`${address} is called`, () => assert.equal(mayCall(address, false), true))

  test('whatever way an address of IPv4 is written as one of IPv6, it is the same', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.boolean(), (address, allowed) => {
        assert.equal(mayCall(`::ffff:${address}`, allowed), mayCall(address, allowed))
      }),
    )
  })
})

describe('a call', () => {
  test('of an address of this machine is refused, however it is written', async () => {
    await withServer(
      (_, response) => response.end('secret'),
      async (port) => {
        const hosts = [
          '127.0.0.1',
          '127.1',
          '0x7f.1',
          '2130706433',
          '0177.0.0.1',
          '[::ffff:127.0.0.1]',
          '[::1]',
          '0.0.0.0',
        ]
        for (const host of [...hosts, 'localhost'])
          assert.equal(await troubleOf({ url: `http://${host}:${port}/` }), 'address-refused', host)
        assert.equal(await troubleOf({ url: `http://127.0.0.1:${port}/`, allowPrivate: true }), 200)
      },
    )
  })

  test('of an address that is never called says so, whatever is allowed', async () => {
    for (const allowPrivate of [false, true])
      await assert.rejects(callOut({ url: 'http://169.254.169.254/', allowPrivate }), /it is never called$/)
    await assert.rejects(callOut({ url: 'http://10.1.2.3/' }), /it is not called unless that is allowed$/)
  })

  test('of a name that has an address of this machine among others is refused', async () => {
    const { lookup, asked } = lookupOf(['1.1.1.1', '10.0.0.1'])
    assert.equal(await troubleOf({ url: 'http://hooks.test/' }, lookup), 'address-refused')
    assert.deepEqual(asked, ['hooks.test'])
  })

  test('goes to the address that was looked at: the name is looked up once', async () => {
    await withServer(
      (request, response) => response.end(request.headers.host),
      async (port) => {
        const { lookup, asked } = lookupOf(['127.0.0.1'])
        const answer = await callOut({ url: `http://hooks.test:${port}/`, allowPrivate: true }, lookup)
        assert.equal(answer.body.toString(), `hooks.test:${port}`)
        assert.deepEqual(asked, ['hooks.test'])
      },
    )
  })

  test('posts a body, and tells status, headers and body of the answer', async () => {
    await withServer(
      (request, response) => {
        request.setEncoding('utf8')
        let text = ''
        request.on('data', (part) => {
          text += part
        })
        request.on('end', () => {
          response.writeHead(202, { 'x-answer': 'yes' })
          response.end(`${request.method} ${text} ${request.headers['x-mine']}`)
        })
      },
      async (port) => {
        const { status, headers, body } = await callOut({
          url: `http://127.0.0.1:${port}/`,
          method: 'POST',
          body: 'grüße',
          headers: { 'x-mine': '1' },
          allowPrivate: true,
        })
        assert.deepEqual([status, headers['x-answer'], body.toString()], [202, 'yes', 'POST grüße 1'])
      },
    )
  })

  test('follows no redirect', async () => {
    let calls = 0
    await withServer(
      (_, response) => {
        calls += 1
        response.writeHead(302, { location: '/elsewhere' }).end()
      },
      async (port) => {
        assert.equal(await troubleOf({ url: `http://127.0.0.1:${port}/`, allowPrivate: true }), 302)
        assert.equal(calls, 1)
      },
    )
  })

  test('has bounds in time and size, also if the answer drips', async () => {
    await withServer(
      (request, response) => {
        if (request.url === '/large') response.end(Buffer.alloc(2000))
        if (request.url === '/drip') setInterval(() => response.write('x'), 20).unref()
      },
      async (port) => {
        const url = `http://127.0.0.1:${port}`
        const call = { allowPrivate: true, timeoutMs: 300 }
        assert.equal(await troubleOf({ ...call, url: `${url}/large`, answerBytes: 1999 }), 'answer-too-large')
        assert.equal(await troubleOf({ ...call, url: `${url}/large`, answerBytes: 2000 }), 200)
        assert.equal(await troubleOf({ ...call, url: `${url}/silent` }), 'timeout')
        assert.equal(await troubleOf({ ...call, url: `${url}/drip` }), 'timeout')
      },
    )
  })

  test('that cannot be made says why', async () => {
    for (const url of ['file:///etc/passwd', 'ftp://x.test/', 'nothing', 'http://user:word@x.test/'])
      assert.equal(await troubleOf({ url }), 'url-invalid', url)
    let free = 0
    await withServer(
      () => {},
      async (port) => {
        free = port
      },
    )
    assert.equal(await troubleOf({ url: `http://127.0.0.1:${free}/`, allowPrivate: true }), 'unreachable')
  })
})
