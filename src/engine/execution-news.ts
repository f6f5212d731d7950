/** An execution has started, or has ended: what may be told to others in the commit that records it. */
import type { LiveExecution } from './live-execution.ts'

export type NewsKind = 'started' | 'ended'
export type NewsListener = (execution: LiveExecution, kind: NewsKind) => void
