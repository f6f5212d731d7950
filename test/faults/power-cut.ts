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
  bytes: Buffer | undefined
  pending: Change[] = []
  /** The directory knows it. */
  isNamed: boolean

  constructor(bytes: Buffer | undefined) {
    this.bytes = bytes
    this.isNamed = bytes !== undefined
  }

  add(change: Change): void {
    this.pending.push(change)
  }

  sync(): void {
    for (const change of this.pending) this.#apply(change)
    this.pending = []
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
    if (!this.isNamed && this.bytes !== undefined && random() < 0.5) {
      counters.lostFiles += 1
      this.bytes = undefined
    }
    this.isNamed = this.bytes !== undefined
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
    else if (change.kind === 'unlink') {
      this.bytes = undefined
      this.isNamed = false
    } else {
      const bytes = Buffer.alloc(change.length)
      this.bytes?.copy(bytes)
      this.bytes = bytes
    }
  }

  #write(offset: number, data: Buffer): void {
    const end = offset + data.length
    const bytes = this.bytes ?? Buffer.alloc(0)
    if (end <= bytes.length) this.bytes = bytes
    else {
      this.bytes = Buffer.alloc(end)
      bytes.copy(this.bytes)
    }
    data.copy(this.bytes, offset)
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

  constructor(options: { readonly ignoresSyncs: boolean } = { ignoresSyncs: false }) {
    this.#ignoresSyncs = options.ignoresSyncs
  }

  logOf(file: string): string {
    return `${file}.writes`
  }

  /** Before a life: what is on the disk now is there for certain. */
  #base = new Map<string, Buffer | undefined>()

  begin(file: string): void {
    writeFileSync(this.logOf(file), '')
    for (const suffix of SUFFIXES)
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
        else for (const each of images) each.isNamed = true
      }
    }
  }
}
