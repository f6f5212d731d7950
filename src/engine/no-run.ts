import type { RunId } from '../protocol/ids.ts'

/** Stands for no run, in batches: what belongs to none is committed together. */
export const NO_RUN = '' as RunId
