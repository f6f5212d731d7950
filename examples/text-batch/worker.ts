// A worker process: node worker.ts URL NAME MS, where MS is what a paragraph takes.

import process from 'node:process'
import { createWorker, silentLogger } from 'perdure'
import { countWordsWith, textQueue } from './count-words.ts'

process.on('disconnect', () => process.exit(0))

const [url = '', id = '', msPerParagraph] = process.argv.slice(2)
await createWorker({
  url,
  id,
  tasks: [countWordsWith(id, Number(msPerParagraph))],
  queues: [textQueue],
  concurrency: 1,
  logger: silentLogger,
})
