/** An engine whose calls are recorded, on a store that tells what it is given. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../src/index.ts'
import type { AuditEntry, AuditPersonal, AuditRecord } from '../../src/protocol/audit.ts'
import type { EngineSeams, EngineSettings } from '../../src/server/engine-settings.ts'
import type { OpenedEngine } from '../../src/server/open-engine.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import type { Batch, CommitOutcome } from '../../src/store/contract/batch.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { asking, broken, failing, quick, waiting, work } from './audited-calls.ts'

export interface AuditedEngine extends AsyncDisposable {
  readonly opened: OpenedEngine
  /** That were committed. */
  readonly batches: readonly Batch[]
}

export interface AuditedEngineOptions {
  /** What becomes of a batch in the place of its commit; undefined: it is committed. */
  readonly instead?: (batch: Batch, store: Store) => Promise<CommitOutcome> | undefined
  readonly settings?: Partial<EngineSettings>
  readonly seams?: EngineSeams
  readonly store?: Store
}

export const temporaryFolder = (): { readonly path: string } & Disposable => {
  const path = mkdtempSync(join(tmpdir(), 'perdure-audit-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

export async function auditedEngine(options: AuditedEngineOptions = {}): Promise<AuditedEngine> {
  const folder = temporaryFolder()
  const batches: Batch[] = []
  const inner = options.store ?? createMemoryStore()
  const commit = async (batch: Batch): Promise<CommitOutcome> => {
    const outcome = await (options.instead?.(batch, inner) ?? inner.commit(batch))
    if (outcome.outcome === 'committed') batches.push(batch)
    return outcome
  }
  const store = new Proxy(inner, {
    get: (on, name) => {
      if (name === 'commit') return commit
      const value: unknown = Reflect.get(on, name)
      return typeof value === 'function' ? value.bind(on) : value
    },
  })
  const opened = await openEngine(
    {
      store,
      workflows: [waiting, quick, failing, asking],
      tasks: [work, broken],
      logger: silentLogger,
      audit: { signingKeyFile: join(folder.path, 'key.pem') },
      ...options.settings,
    },
    options.seams ?? {},
  )
  return {
    opened,
    batches,
    [Symbol.asyncDispose]: async () => {
      await opened.close()
      folder[Symbol.dispose]()
    },
  }
}

export const entryOf = ({ entry }: Pick<AuditRecord, 'entry'>): AuditEntry => JSON.parse(entry) as AuditEntry

export function personalOf({ personal }: Pick<AuditRecord, 'personal'>): AuditPersonal | undefined {
  return personal === null
    ? undefined
    : (JSON.parse(personal) as { readonly personal: AuditPersonal }).personal
}
