// A batch of texts: nobody waits for long ones, and no crash makes a count wrong.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposableSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { countWordsWith, textQueue } from '../../examples/text-batch/count-words.ts'
import { createEngine, createWorker, type Engine, silentLogger } from '../../src/index.ts'

const workerFile = join(dirname(dirname(import.meta.dirname)), 'examples', 'text-batch', 'worker.ts')
const countWords = countWordsWith('the test', 1)

const open = (folder: string) =>
  createEngine({
    store: `sqlite:${join(folder, 'texts.db')}`,
    queues: [{ name: textQueue, policy: { name: 'round-robin', quantumMs: 20 } }],
    logger: silentLogger,
  })

const newFolder = () => mkdtempDisposableSync(join(tmpdir(), 'perdure-texts-'))

/** Each paragraph has as many words as its number says, from 1 on. */
function textOf(folder: string, name: string, paragraphs: number): string {
  const path = join(folder, name)
  const text = Array.from({ length: paragraphs }, (_, index) => 'word '.repeat(index + 1).trim())
  writeFileSync(path, `${text.join('\n\n')}\n`)
  return path
}

const worker = async (engine: Engine, id: string) =>
  createWorker({
    url: (await engine.listen()).url,
    id,
    tasks: [countWordsWith(id, 1)],
    concurrency: 1,
    logger: silentLogger,
  })

describe('a batch of texts', () => {
  test('short texts of another key are done before long ones that came first', async () => {
    using folder = newFolder()
    await using engine = await open(folder.path)
    const done: string[] = []
    const count = async (name: string, key: string, paragraphs: number) => {
      const handle = await engine.enqueue(countWords, textOf(folder.path, name, paragraphs), { key })
      return handle.result().then((result) => {
        done.push(name)
        return result
      })
    }
    const ended = [count('book-1', 'ada', 200), count('book-2', 'ada', 200), count('note', 'bo', 3)]
    await using _worker = await worker(engine, 'worker-1')
    const [book, , note] = await Promise.all(ended)
    assert.equal(done[0], 'note')
    assert.equal(note?.words, 6)
    assert.equal(book?.words, 20_100)
    assert.ok((book?.yields ?? 0) > 0, 'the book gave its place to others')
  })

  test('a worker that is killed costs no more than what came after the checkpoint', async () => {
    using folder = newFolder()
    await using engine = await open(folder.path)
    const { url } = await engine.listen()
    const args = ['--conditions=perdure-source', '--disable-warning=ExperimentalWarning']
    const first = fork(workerFile, [url, 'worker-1', '5'], { execArgv: args })
    try {
      // Alone in its queue, it keeps its place: the checkpoints are those of the signs of life.
      const handle = await engine.enqueue(countWords, textOf(folder.path, 'book', 200))
      while (((await handle.describe()).progress?.fraction ?? 0) < 0.4)
        await new Promise((wake) => setTimeout(wake, 5))
      first.kill('SIGKILL')
      await once(first, 'exit')
      await using _second = await worker(engine, 'worker-2')
      const { words, paragraphs, workers } = await handle.result()
      assert.deepEqual([words, paragraphs], [20_100, 200])
      assert.deepEqual(
        workers.map((each) => each.worker),
        ['worker-1', 'worker-2'],
      )
      assert.ok((workers[1]?.from ?? 0) >= 50, `it went on from paragraph ${workers[1]?.from}`)
    } finally {
      first.kill('SIGKILL')
    }
  })
})
