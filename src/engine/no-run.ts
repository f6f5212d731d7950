import type { RunId } from '../protocol/ids.ts'

/** Stands for no run, in batches: what belongs to none is committed together. */
export const NO_RUN = '' as RunId

/** Stands for what is in no part of a batch that is split: it is durable with the whole batch, or never. */
export const NO_PART = 'whole' as RunId

/** In batches it stands for what the audit trail has beside the changes of runs. */
export const AUDIT_RUN = '\0audit' as RunId
