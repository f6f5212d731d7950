/**
 * Counts the words of a document, paragraph by paragraph. A long document gives its place to others after each time slice,
 * and goes on from its checkpoint: after a slice, and after a crash of its worker. What was counted since the checkpoint is
 * counted again then, and once in the result.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { task } from 'perdure'

/** What is done so far. It is also the result. */
export interface Count {
  /** Paragraphs that are counted. */
  readonly paragraphs: number
  readonly words: number
  /** Time slices that ended with a `yield`. */
  readonly yields: number
  /** Each process that went on with it, with the paragraph that it began at. */
  readonly workers: readonly { readonly worker: string; readonly from: number }[]
}

export const textQueue = 'texts'
const paragraphsPerCheckpoint = 50
const nothing: Count = { paragraphs: 0, words: 0, yields: 0, workers: [] }

/** @param worker the name of the process that runs it */
export function countWordsWith(worker: string, msPerParagraph: number) {
  return task({
    name: 'count-words',
    queue: textQueue,
    run: async (context, path: string): Promise<Count> => {
      let count = (context.checkpoint as Count | undefined) ?? nothing
      if (count.workers.at(-1)?.worker !== worker)
        count = { ...count, workers: [...count.workers, { worker, from: count.paragraphs }] }

      const paragraphs = (await readFile(path, 'utf8')).trim().split(/\n\n+/)
      for (const paragraph of paragraphs.slice(count.paragraphs)) {
        context.abortSignal.throwIfAborted()
        // Stands for what takes time: a translation, a summary, an index.
        await pause(msPerParagraph)
        const words = paragraph.split(/\s+/).length
        count = { ...count, paragraphs: count.paragraphs + 1, words: count.words + words }
        context.progress(count.paragraphs / paragraphs.length)
        if (count.paragraphs === paragraphs.length) break
        // Time slices end only when others wait: a crash must not cost more than this.
        if (count.paragraphs % paragraphsPerCheckpoint === 0) context.heartbeat(count)
        if (context.shouldYield) context.yield({ ...count, yields: count.yields + 1 })
      }
      return count
    },
  })
}
