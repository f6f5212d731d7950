// A batch of texts and one worker. Ada's two books are there first; the notes of Bo do not wait for them. In the middle of
// the books the worker is killed: another one goes on where it was.
//
//   npm run example -- text-batch

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposableSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine } from 'perdure'
import { countWordsWith, textQueue } from './count-words.ts'

const msPerParagraph = 2
using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-texts-'))
const textOf = (name: string, paragraphs: number) => {
  const path = join(folder.path, name)
  writeFileSync(path, 'Seven words of text in this paragraph.\n\n'.repeat(paragraphs))
  return path
}

await using engine = await createEngine({
  store: `sqlite:${join(folder.path, 'texts.db')}`,
  queues: [{ name: textQueue, policy: { name: 'round-robin', quantumMs: 50 } }],
})
const { url } = await engine.listen()
const startWorker = (name: string) =>
  fork(join(import.meta.dirname, 'worker.ts'), [url, name, String(msPerParagraph)])

// Tasks of one key are one flow: the flows take turns, whatever they have waiting.
const countWords = countWordsWith('the batch', msPerParagraph)
const texts = [
  ...['book-1.txt', 'book-2.txt'].map((name) => ({ name, key: 'ada', paragraphs: 300 })),
  ...['note-1.txt', 'note-2.txt', 'note-3.txt'].map((name) => ({ name, key: 'bo', paragraphs: 4 })),
]
const startedAtMs = performance.now()
const done: string[] = []
const batch = texts.map(async ({ name, key, paragraphs }) => {
  const handle = await engine.enqueue(countWords, textOf(name, paragraphs), { id: name, key })
  const { words, yields, workers } = await handle.result()
  done.push(name)
  const places = workers.map(({ worker, from }) => `${worker} from paragraph ${from}`).join(', ')
  const ms = Math.round(performance.now() - startedAtMs)
  console.log(`${ms} ms: ${name} of ${key} has ${words} words. It yielded ${yields} times. By ${places}`)
})

const first = startWorker('worker-1')
const percentDone = async () =>
  ((await engine.task(countWords, 'book-1.txt').describe()).progress?.fraction ?? 0) * 100
while (done.length < 3 || (await percentDone()) < 40) await pause(10)
first.kill('SIGKILL')
await once(first, 'exit')
console.log(`SIGKILL of worker-1: book-1.txt is done to ${Math.round(await percentDone())} %`)

const second = startWorker('worker-2')
await Promise.all(batch)
second.disconnect()
