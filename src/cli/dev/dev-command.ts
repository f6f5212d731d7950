/** `perdure dev`: an engine, and a worker that is begun again when code changes. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { jsonLogger } from '../../platform/logger.ts'
import { present } from '../../server/http/present.ts'
import type { Command, CommandCall } from '../command.ts'
import { printable } from '../display-width.ts'
import { listenOf } from '../start/checked-values.ts'
import { HTTP_OPTIONS, startHttp, startWebhooks } from '../start/start-http.ts'
import { UsageError } from '../usage-error.ts'
import { DevProcess } from './dev-processes.ts'
import type { DevReport } from './dev-worker.ts'
import { FileWatch } from './file-watch.ts'

const DEFAULT_LISTEN = '127.0.0.1:7233'
const DEFAULT_STORE = '.perdure/dev.db'
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/

export const devCommand: Command = {
  name: 'dev',
  summary:
    'Starts an engine and a worker with your code on this machine; the worker begins anew when code changes.',
  operands: ['FILE', '[FILE…]'],
  options: {
    store: { value: 'STORE', says: `sqlite:PATH or memory; default sqlite:${DEFAULT_STORE}` },
    listen: { value: 'HOST:PORT', says: `on this machine; default ${DEFAULT_LISTEN}; port 0: a free one` },
    ...HTTP_OPTIONS,
    help: { says: 'this help', short: 'h' },
  },
  examples: [
    { line: 'perdure dev orders.ts', says: 'what orders.ts exports of workflows and tasks' },
    { line: 'perdure dev orders.ts --store memory', says: 'everything is forgotten at its end' },
  ],
  run: runDev,
}

async function runDev(call: CommandCall): Promise<number> {
  const { options, operands, output, directory } = call
  const files = operands.map((file) => resolve(directory, file))
  const { host, port } = listenOf(options.text('listen') ?? DEFAULT_LISTEN)
  if (!LOOPBACK.test(host))
    throw new UsageError(
      `perdure dev asks nobody who they are, and ${host} is not only for this machine`,
      'Use 127.0.0.1, or perdure start with --access.',
    )
  const missing = files.find((file) => !existsSync(file))
  if (missing !== undefined) throw new UsageError(`there is no file ${printable(missing)}`)
  const store = storeOf(call)
  const http = startHttp(call, undefined, '')
  const webhooks = startWebhooks(call, undefined, '')
  // Not before: help works also where `node:sqlite` is missing.
  const { createEngine } = await import('../../server/embedded-engine.ts')
  const failed = Promise.withResolvers<number>()
  const engine = await createEngine({
    store,
    logger: jsonLogger('warn'),
    onFailed: () => failed.resolve(1),
    ...present({ webhooks }),
  })
  try {
    const { url } = await engine.listen({ host, port, ...present({ http }) })
    const end = Promise.race([failed.promise, signalled(call)])
    output.line(`perdure dev listens on ${url}`)
    output.line(`  REST API and its pages: ${url.replace(/^ws/, 'http')}/docs`)
    output.line(`  store: ${store}`)
    const worker = new DevProcess({
      url,
      files,
      onReport: reporter(call, url),
      onLost: (how) => output.note(`the worker has ended (${how}): it begins anew when a file changes`),
    })
    let watch: FileWatch | undefined
    try {
      watch = new FileWatch([...new Set(files.map((file) => dirname(file)))], {
        onChange: () => worker.restart(),
        onTrouble: (why) => output.note(printable(`not all files are watched: ${why}`)),
      })
      worker.restart()
      return await end
    } finally {
      watch?.close()
      await worker.close()
    }
  } finally {
    await engine.close()
  }
}

function storeOf({ options, directory }: CommandCall): string {
  const store = options.text('store') ?? `sqlite:${DEFAULT_STORE}`
  if (store === 'memory') return store
  const path = /^sqlite:(?!\/\/)(.+)$/.exec(store)?.[1]
  if (path === undefined)
    throw new UsageError(
      `perdure dev does not take the store ${printable(store)}`,
      'sqlite:PATH or memory; perdure start runs on PostgreSQL.',
    )
  const file = resolve(directory, path)
  mkdirSync(dirname(file), { recursive: true })
  return `sqlite:${file}`
}

/** What the worker says, for people. */
function reporter({ output, directory }: CommandCall, url: string): (report: DevReport) => void {
  let hasBegun = false
  return (report) => {
    if (report.kind === 'failed') {
      output.note(printable(report.message.replaceAll(`${directory}/`, '')))
      if (report.remedy !== undefined) output.note(report.remedy)
      output.note('The engine goes on; the worker begins anew when a file changes.')
      return
    }
    const { workflows, tasks, hasQueues } = report
    const named = workflows.map(({ name, version }) =>
      version === '1' ? name : `${name} version ${version}`,
    )
    const code = [...named, ...tasks.map((task) => `task ${task}`)].join(', ')
    output.line(printable(`${hasBegun ? 'changed: the worker runs' : 'the worker runs'} ${code}`))
    const [first] = workflows
    if (!hasBegun && first !== undefined) {
      const version = first.version === '1' ? '' : ` --version ${first.version}`
      output.line(printable(`  perdure run ${first.name}${version} --input JSON --wait --url ${url}`))
    }
    if (!hasBegun && hasQueues)
      output.note('Settings of queues that the files export are not in force here: perdure start takes them.')
    hasBegun = true
  }
}

/** The first signal ends it in order, the second one at once. */
function signalled({ output }: CommandCall): Promise<number> {
  return new Promise((resolve) => {
    let isAsked = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => {
        if (isAsked) process.exit(130)
        isAsked = true
        output.note('perdure dev ends; once more to end at once')
        resolve(0)
      })
  })
}
