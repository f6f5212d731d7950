/**
 * What a power cut leaves of the files, from the log of the preloaded library.
 *
 * A write is durable when its file was synced after it; a file has its name when its directory was synced after its
 * creation. All else is up to chance at a cut: each write since may be there, be missing, or be torn at sectors, in any
 * combination, as the write cache of a disk has it. The memory shared by processes (`-shm`) never survives.
 */
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import type { Randomness } from '../../src/platform/randomness.ts'

const MAGIC = 0x50574c47
const HEADER_BYTES = 24
const SECTOR_BYTES = 512
const SUFFIXES = ['', '-wal', '-journal'] as const

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'truncate'; readonly length: number }
  | { readonly kind: 'unlink' }

export interface CutCounters {
  cuts: number
  /** Cuts with writes that were not synced. */
  withUnsynced: number
  /** Cuts with such writes in the database file itself: within a checkpoint. */
  inCheckpoint: number
  droppedWrites: number
  tornWrites: number
  /** Files that lost their name. */
  lostFiles: number
}

/** One file as it is on the disk for certain, and what has been done to it since. */
class FileImage {
  #bytes: Buffer | undefined
  #length: number
  pending: Change[] = []
  /** The directory knows it. */
  isNamed: boolean

  constructor(bytes: Buffer | undefined) {
    this.#bytes = bytes
    this.#length = bytes?.length ?? 0
    this.isNamed = bytes !== undefined
  }

  get bytes(): Buffer | undefined {
    return this.#bytes?.subarray(0, this.#length)
  }

  add(change: Change): void {
    this.pending.push(change)
  }

  sync(): void {
    for (const change of this.pending) this.#apply(change)
    this.pending = []
  }

  /** The directory was synced: a removal is durable, and so is the name of what is there. */
  syncName(): void {
    const removed = this.pending.findLastIndex((change) => change.kind === 'unlink')
    if (removed >= 0) {
      this.#remove()
      this.pending = this.pending.slice(removed + 1)
    }
    this.isNamed = true
  }

  /** Keeps what chance keeps of the writes since the last sync. */
  cut(random: Randomness, counters: CutCounters): void {
    const kept = random()
    // All gone, a part in order, or any part, with some of it torn.
    const prefix = kept < 0.2 ? 0 : kept < 0.5 ? Math.floor(random() * this.pending.length) : undefined
    for (const [i, change] of this.pending.entries()) {
      const isKept = prefix === undefined ? random() < 0.6 : i < prefix
      if (!isKept) counters.droppedWrites += 1
      else if (change.kind === 'write' && random() < 0.2) this.#tear(change, random, counters)
      else this.#apply(change)
    }
    this.pending = []
    if (!this.isNamed && this.#bytes !== undefined && random() < 0.5) {
      counters.lostFiles += 1
      this.#remove()
    }
  }

  #tear({ offset, data }: Change & { kind: 'write' }, random: Randomness, counters: CutCounters): void {
    counters.tornWrites += 1
    let from = offset
    const end = offset + data.length
    while (from < end) {
      const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES)
      if (random() < 0.5) this.#write(from, data.subarray(from - offset, to - offset))
      from = to
    }
  }

  #apply(change: Change): void {
    if (change.kind === 'write') this.#write(change.offset, change.data)
    else if (change.kind === 'unlink') this.#remove()
    else {
      this.#grow(change.length)
      if (change.length > this.#length) this.#bytes?.fill(0, this.#length, change.length)
      this.#length = change.length
    }
  }

  #remove(): void {
    this.#bytes = undefined
    this.#length = 0
    this.isNamed = false
  }

  #write(offset: number, data: Buffer): void {
    const end = offset + data.length
    const bytes = this.#grow(end)
    if (offset > this.#length) bytes.fill(0, this.#length, offset)
    data.copy(bytes, offset)
    this.#length = Math.max(this.#length, end)
  }

  /** Doubles, so that a file that grows by pages is not copied for each. */
  #grow(length: number): Buffer {
    const bytes = this.#bytes ?? Buffer.alloc(0)
    if (length <= bytes.length) this.#bytes = bytes
    else {
      this.#bytes = Buffer.alloc(Math.max(length, 2 * bytes.length))
      bytes.copy(this.#bytes, 0, 0, this.#length)
    }
    return this.#bytes
  }
}

export class PowerCuts {
  readonly counters: CutCounters = {
    cuts: 0,
    withUnsynced: 0,
    inCheckpoint: 0,
    droppedWrites: 0,
    tornWrites: 0,
    lostFiles: 0,
  }
  /** For the control: nothing ever counts as synced, as with a disk that lies. */
  readonly #ignoresSyncs: boolean
  /** What the last cut has left. */
  readonly #base = new Map<string, Buffer | undefined>()

  constructor(options: { readonly ignoresSyncs: boolean } = { ignoresSyncs: false }) {
    this.#ignoresSyncs = options.ignoresSyncs
  }

  logOf(file: string): string {
    return `${file}.writes`
  }

  /** Before a life: what is on the disk now is there for certain. */
  begin(file: string): void {
    writeFileSync(this.logOf(file), '')
    for (const suffix of SUFFIXES)
      if (!this.#base.has(suffix))
        this.#base.set(suffix, existsSync(file + suffix) ? readFileSync(file + suffix) : undefined)
  }

  /** After the kill: takes away what chance takes. */
  cut(file: string, random: Randomness): void {
    const images = SUFFIXES.map((suffix) => new FileImage(this.#base.get(suffix)))
    this.#replay(readFileSync(this.logOf(file)), images)
    const { counters } = this
    counters.cuts += 1
    if (images.some(({ pending }) => pending.length > 0)) counters.withUnsynced += 1
    if ((images[0]?.pending.length ?? 0) > 0) counters.inCheckpoint += 1
    for (const [i, image] of images.entries()) {
      image.cut(random, counters)
      const name = file + SUFFIXES[i]
      this.#base.set(SUFFIXES[i] ?? '', image.bytes)
      if (image.bytes === undefined) rmSync(name, { force: true })
      else writeFileSync(name, image.bytes)
    }
    rmSync(`${file}-shm`, { force: true })
    truncateSync(this.logOf(file))
  }

  #replay(log: Buffer, images: readonly FileImage[]): void {
    // A record that the kill cut short belongs to a write that was not made.
    for (let at = 0; at + HEADER_BYTES <= log.length; ) {
      if (log.readUInt32LE(at) !== MAGIC) throw new Error(`the log of writes is damaged at byte ${at}`)
      const type = String.fromCharCode(log.readUInt8(at + 4))
      const image = images[log.readUInt8(at + 5)]
      const offset = Number(log.readBigUInt64LE(at + 8))
      const length = Number(log.readBigUInt64LE(at + 16))
      at += HEADER_BYTES
      if (type === 'W') {
        if (at + length > log.length) return
        image?.add({ kind: 'write', offset, data: log.subarray(at, at + length) })
        at += length
      } else if (type === 'T') image?.add({ kind: 'truncate', length: offset })
      else if (type === 'U') image?.add({ kind: 'unlink' })
      else if (!this.#ignoresSyncs) {
        if (type === 'S') image?.sync()
        else for (const each of images) each.syncName()
      }
    }
  }
}
