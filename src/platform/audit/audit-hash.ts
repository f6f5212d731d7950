/** The hashes of the audit trail, SHA-256 in hexadecimal digits. Each kind of thing is hashed behind a byte of its own. */
import { hash } from 'node:crypto'

const ENTRY = Buffer.from([0x00])
const HEAD = Buffer.from([0x02])
const GENESIS = Buffer.from([0x03])
const DIGITS = /^[0-9a-f]{64}$/

/** Stands for the hash before the first signed head. */
export const NO_HEAD = '0'.repeat(64)

/** Where the chain of a session begins: no two sessions share it. */
export function genesisHash(session: number, incarnation: string): string {
  return sha256(GENESIS, `${session}\0${incarnation}`)
}

/** SHA-256(0x00 ‖ hash before ‖ entry): 32 bytes of the hash before, UTF-8 of the entry. */
export function entryHash(before: string, entry: string): string {
  return sha256(Buffer.concat([ENTRY, bytesOf(before)]), entry)
}

/** Of the body of a signed head: the next head names it. */
export function headHash(body: string): string {
  return sha256(HEAD, body)
}

/** SHA-256(salt ‖ personal part). The salt is 16 bytes or more: without it nobody can try out who it may have been. */
export function commitmentOf(salt: string, personal: string): string {
  return sha256(Buffer.from(salt, 'hex'), personal)
}

export function isHash(text: string): boolean {
  return DIGITS.test(text)
}

/** In one call: of texts as short as these most of the time goes into the calls. */
function sha256(first: Buffer, rest: string): string {
  return hash('sha256', Buffer.concat([first, Buffer.from(rest)]))
}

function bytesOf(text: string): Buffer {
  if (!isHash(text)) throw new Error(`invariant: ${text} is no SHA-256`)
  return Buffer.from(text, 'hex')
}
