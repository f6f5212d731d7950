/** What servers look up of administrative objects, in memory. */
import type { Json } from '../protocol/json.ts'

export interface RegistryReads {
  get(kind: string, namespace: string, id: string): { readonly body: Json } | undefined
  list(kind: string, namespace?: string): readonly { readonly id: string; readonly body: Json }[]
}
