/** Tells those who are connected when their credential ends, and workers when what they may do has changed. */

import type { Registry } from '../../engine/registry/registry-port.ts'
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Caller } from '../../protocol/caller.ts'
import { API_KEY_KIND } from './api-key-records.ts'
import type { ApiKeys } from './api-keys.ts'

type Ending =
  | { readonly kind: 'api-key'; readonly id: string; readonly hash: string }
  | { readonly kind: 'token'; readonly expiresMs: number }

export type Credential =
  | Ending
  /** Nothing ends it while the connection lasts. `master`: the key of the machine. */
  | { readonly kind: 'lasting' | 'master' }

export interface CredentialWatch {
  follow(caller: Caller, credential: Credential | undefined, onRevoked: (why: string) => void): () => void
  onChange(call: () => void): () => void
  /** Policies or roles have changed. */
  changed(): void
  close(): void
}

export interface CredentialWatchParts {
  readonly registry: Registry
  readonly keys: ApiKeys
  readonly clock: Clock
}

export function watchCredentials({ registry, keys, clock }: CredentialWatchParts): CredentialWatch {
  const followers = new Set<() => void>()
  const changes = new Set<() => void>()
  const unfollow = registry.follow(API_KEY_KIND, () => {
    for (const look of [...followers]) look()
  })
  return {
    follow: (caller, credential, onRevoked) => {
      if (credential === undefined || !isEnding(credential)) return () => {}
      let cancel: Cancel = () => {}
      const stop = (): void => {
        cancel()
        followers.delete(look)
      }
      const look = (): void => {
        cancel()
        const end = endOf(keys, caller, credential)
        if (end === undefined) return
        const restMs = end.atMs - clock.nowMs()
        if (restMs > 0) {
          cancel = clock.after(restMs, look)
          return
        }
        stop()
        onRevoked(end.why)
      }
      followers.add(look)
      look()
      return stop
    },
    onChange: (call) => {
      changes.add(call)
      return () => void changes.delete(call)
    },
    changed: () => {
      for (const call of [...changes]) call()
    },
    close: () => {
      unfollow()
      followers.clear()
      changes.clear()
    },
  }
}

function endOf(
  keys: ApiKeys,
  caller: Caller,
  credential: Ending,
): { readonly atMs: number; readonly why: string } | undefined {
  if (credential.kind === 'token') return { atMs: credential.expiresMs, why: 'the token has expired' }
  const { id, hash } = credential
  const end = keys.endOf(id, hash)
  if (end === 'unknown') return { atMs: 0, why: 'the API key is gone' }
  // What it may do came with it: it has to be shown anew.
  if (!keys.isSame(id, caller)) return { atMs: 0, why: 'the API key was changed' }
  return end === undefined ? undefined : { atMs: end.atMs, why: `the API key ${end.why}` }
}

function isEnding(credential: Credential): credential is Ending {
  return credential.kind === 'api-key' || credential.kind === 'token'
}
