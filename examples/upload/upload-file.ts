/** Uploads one file in parts, and reads it back. The work is done by tasks, on whatever worker the queue picks. */
import { workflow } from 'perdure'
import { partBytes, partCount } from './upload-manifest.ts'
import type { UploadTasks } from './upload-tasks.ts'

const partsAtOnce = 4
/** For the policy `priority`: what begins or ends an upload comes before parts. */
const urgent = 9
/** For the policy `sjf`: small files come first. What is not declared is learned. */
const estimateMsOf = (bytes: number): number => bytes / 50_000

export interface Upload {
  readonly path: string
  /** About: what counts is what the file has when it is read. */
  readonly expectedBytes: number
}

export function uploadFileWith(tasks: UploadTasks) {
  return workflow({
    name: 'upload-file',
    version: '1',
    run: async (ctx, { path, expectedBytes }: Upload) => {
      // For the policy `round-robin` and for balancers that hash: files take turns, and keep to their workers.
      const key = ctx.info.workflowId
      const whole = { key, priority: urgent, estimateMs: estimateMsOf(expectedBytes) }

      const { bytes, sha256 } = await ctx.task(tasks.hashFile, path, whole)
      const parts = Array.from({ length: partCount(bytes) }, (_, part) => part)
      await ctx.map(
        parts,
        (part) => {
          const estimateMs = estimateMsOf(Math.min(partBytes, bytes - part * partBytes))
          return ctx.task(tasks.uploadPart, { path, part, fileBytes: bytes }, { key, estimateMs })
        },
        { concurrency: partsAtOnce },
      )
      await ctx.task(tasks.completeUpload, { path, parts: parts.length }, { key, priority: urgent })
      await ctx.task(tasks.verifyObject, { path, sha256 }, whole)
      return { bytes, sha256 }
    },
  })
}
