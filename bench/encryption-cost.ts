/** What encryption of payloads costs: alone, in microseconds, and in an engine whose store costs nothing. */
import { generateKeyPairSync } from 'node:crypto'
import { createEngine, type Encryption, openEncryption, silentLogger } from '../src/index.ts'
import type { PayloadPlace } from '../src/protocol/encrypted-payload.ts'
import { decodePayload, encodePayload, type Payload } from '../src/protocol/payload.ts'
import { threeSteps } from './bench-workflows.ts'

export interface EncryptionOrder {
  readonly what: EncryptionWhat
  /** How long each loop is timed. */
  readonly loopMs: number
}

export type EncryptionWhat = 'payloads' | 'keys' | 'steps'

/** Figures by their names. */
export type EncryptionCosts = Readonly<Record<string, number>>

export const PAYLOAD_BYTES = [100, 4096, 65_536] as const
const IN_FLIGHT = 64
const CALLS_PER_LOOK = 256

export async function measureEncryption({ what, loopMs }: EncryptionOrder): Promise<EncryptionCosts> {
  if (what === 'payloads') return payloadCosts(loopMs)
  return what === 'keys' ? keyCosts(loopMs) : stepRates(loopMs)
}

function privateKey(): string {
  return generateKeyPairSync('rsa', {
    modulusLength: 3072,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey
}

const place: PayloadPlace = { namespace: 'default', owner: 'order-1', purpose: 'step-result' }

async function payloadCosts(loopMs: number): Promise<EncryptionCosts> {
  await using encryption = await openEncryption({ keys: { privateKeys: [privateKey()] } })
  const { codec } = encryption
  const now = <T>(value: T | Promise<T>): T => {
    if (value instanceof Promise) throw new Error('a key is not there')
    return value
  }
  const costs: Record<string, number> = {}
  for (const bytes of PAYLOAD_BYTES) {
    const value = { text: 'x'.repeat(bytes - 20), ok: true }
    const plain = encodePayload(value)
    const sealed = await codec.code('default', (coder) => coder.seal(plain, place))
    const stored = JSON.stringify(sealed)
    costs[`encode ${bytes}`] = timed(loopMs, () => encodePayload(value))
    costs[`encrypt ${bytes}`] = timed(loopMs, () =>
      now(codec.code('default', (coder) => coder.seal(plain, place))),
    )
    costs[`decrypt ${bytes}`] = timed(loopMs, () =>
      now(codec.code('default', (coder) => coder.open(sealed, place))),
    )
    costs[`decode ${bytes}`] = timed(loopMs, () => decodePayload(plain))
    costs[`bytes ${bytes}`] = stored.length
  }
  return costs
}

/** CPU time of this process, its threads included, in microseconds: others on the machine do not count. */
function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Microseconds of CPU time per call. */
function timed(loopMs: number, call: () => unknown): number {
  const round = (ms: number): number => {
    const start = cpuMicroseconds()
    let calls = 0
    let spent = 0
    while (spent < ms * 1000) {
      for (let i = 0; i < CALLS_PER_LOOK; i++) call()
      calls += CALLS_PER_LOOK
      spent = cpuMicroseconds() - start
    }
    return spent / calls
  }
  round(loopMs / 4)
  return round(loopMs)
}

async function keyCosts(loopMs: number): Promise<EncryptionCosts> {
  const { KeyFiles } = await import('../src/platform/encryption/key-files.ts')
  const files = new KeyFiles({ privateKeys: [privateKey()] })
  const context = { namespace: 'default', keyId: 'k' }
  const secret = new Uint8Array(32)
  const wrapped = await files.wrap(secret, context)
  const one = async (call: () => Promise<unknown>): Promise<number> => {
    const start = cpuMicroseconds()
    let calls = 0
    while (cpuMicroseconds() - start < loopMs * 1000) {
      await call()
      calls += 1
    }
    return (cpuMicroseconds() - start) / calls
  }
  return {
    wrap: await one(() => files.wrap(secret, context)),
    unwrap: await one(() => files.unwrap(wrapped, files.currentKeyId, context)),
    ...(await storedKeyCosts(one)),
  }
}

/** A data key of its own for each execution, in a store of SQLite without a disk. */
async function storedKeyCosts(
  one: (call: () => Promise<unknown>) => Promise<number>,
): Promise<EncryptionCosts> {
  await using encryption = await openEncryption({
    keys: { privateKeys: [privateKey()] },
    dataKeys: 'sqlite::memory:',
  })
  let owners = 0
  const plain: Payload = encodePayload({ ok: true })
  const write = (): Promise<Payload> => {
    owners += 1
    const owner = `order-${owners}`
    return Promise.resolve(
      encryption.codec.code('default', (coder) => coder.seal(plain, { ...place, owner })),
    )
  }
  await write()
  return { 'first payload of an execution': await one(write) }
}

async function stepRates(loopMs: number): Promise<EncryptionCosts> {
  const off = await stepsPerSecond(loopMs, undefined)
  await using encryption = await openEncryption({ keys: { privateKeys: [privateKey()] } })
  return { off, on: await stepsPerSecond(loopMs, encryption) }
}

async function stepsPerSecond(loopMs: number, encryption: Encryption | undefined): Promise<number> {
  await using engine = await createEngine({
    ...{ store: 'memory', workflows: [threeSteps], logger: silentLogger },
    ...(encryption === undefined ? {} : { encryption }),
  })
  let done = 0
  const lane = async (endMs: number): Promise<void> => {
    while (performance.now() < endMs) {
      await (await engine.start(threeSteps, { orderId: 'o' })).result()
      done += 1
    }
  }
  const round = async (ms: number): Promise<number> => {
    done = 0
    const startMs = performance.now()
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => lane(startMs + ms)))
    return (done * 3000) / (performance.now() - startMs)
  }
  await round(loopMs / 4)
  // The engine is closed when this is over.
  return await round(loopMs)
}
