/** Workflow code in a process of its own: the runs that one connection has made live here. */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { redactedFields, redactedText } from '../../platform/redaction.ts'
import type { Tracing } from '../../platform/tracing.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Limits } from '../../protocol/limits.ts'
import { payloadBytes } from '../../protocol/payload.ts'
import { type TraceContext, traceFields } from '../../protocol/trace-context.ts'
import type { ActiveRun, LogRecord, TurnReport } from '../../protocol/worker-port.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import type { RunLog, RunMessage, RunReport } from '../../protocol/workflow-messages.ts'
import type { Workflow } from '../definition.ts'
import { localWorker } from '../encryption/local-workers.ts'
import type { PayloadCodec } from '../encryption/payload-codec.ts'
import type { LocalWorker } from '../runtime/local-worker.ts'

export interface WorkflowSessionOptions {
  readonly workflows: readonly Workflow[]
  readonly codec?: PayloadCodec | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: Limits
  readonly tracing?: Tracing | undefined
  readonly send: (report: RunReport) => void
}

/** Of one message; what a frame holds beside one large payload stays far below what the engine takes. */
const PIECE_SIZE = 32 * 1024
/** Of the message of a log record, and of its fields. */
const LOG_CHARACTERS = 16 * 1024
const COMMAND_BYTES = 200

interface HeldRun {
  readonly run: number
  readonly namespace: string
  readonly workflowId: string
  readonly runId: string
  /** Where the spans of its execution belong. */
  trace: TraceContext | undefined
  /** The last event that came. */
  seen: number
}

type Question = Extract<RunMessage, { readonly call: number }>

export class WorkflowSession {
  readonly #options: WorkflowSessionOptions
  readonly #worker: LocalWorker<HeldRun>
  readonly #runs = new Map<number, { readonly held: HeldRun; readonly active: ActiveRun }>()

  constructor(options: WorkflowSessionOptions) {
    this.#options = options
    const { send } = options
    this.#worker = localWorker<HeldRun>(options, options.codec)
    this.#worker.connect({
      onTurn: (reports) => this.#turned(reports),
      onStepCompleted: ({ run }, { op, attempt }, result) =>
        send({ type: 'step-completed', run, op, attempt, result }),
      onStepFailed: ({ run }, { op, attempt }, failure) =>
        send({ type: 'step-failed', run, op, attempt, failure }),
    })
  }

  /** Runs that are live here. */
  get live(): number {
    return this.#runs.size
  }

  receive(message: RunMessage): void {
    if (message.type === 'activate') {
      this.#activate(message)
      return
    }
    const known = this.#runs.get(message.run)
    if (known === undefined)
      throw new PerdureError('PROTOCOL_INVALID', `${message.type}: run ${message.run} is not live here`)
    const { held, active } = known
    switch (message.type) {
      case 'event':
        held.seen = message.seq
        if (message.event.type === 'execution-started') held.trace = message.event.trace
        active.deliver(message.seq, message.event)
        return
      case 'step':
        active.runStep(message)
        return
      case 'abort-step':
        active.abortStep(message.op)
        return
      case 'evict':
        this.#runs.delete(held.run)
        active.evict()
        return
      default:
        this.#answer(active, message)
    }
  }

  /** The connection has ended: no code of its runs goes on. */
  end(): void {
    for (const { active } of this.#runs.values()) active.evict()
    this.#runs.clear()
  }

  #activate(message: Extract<RunMessage, { readonly type: 'activate' }>): void {
    const { run, namespace, workflowId, runId, workflow, version, history = [] } = message
    if (!this.#worker.supports(workflow, version, namespace))
      throw new PerdureError(
        'PROTOCOL_INVALID',
        `activate: this worker has no code for workflow ${workflow} version ${version}`,
      )
    const first = history[0]?.event
    const trace = first?.type === 'execution-started' ? first.trace : undefined
    const held: HeldRun = { run, namespace, workflowId, runId, trace, seen: history.at(-1)?.seq ?? 0 }
    const info = { key: { namespace, workflowId }, runId, workflow, version }
    this.#runs.set(run, { held, active: this.#worker.activate({ owner: held, info, history }) })
  }

  /** In pieces, so that no frame gets too long for the engine: only with the last one the turn is over. */
  #turned(reports: readonly TurnReport<HeldRun>[]): void {
    const { send } = this.#options
    for (const { owner, commands, idle, parked, logs: records = [] } of reports) {
      const logs = this.#logsToSend(owner, records)
      const at = { type: 'turn', run: owner.run, seen: owner.seen } as const
      for (const piece of pieces(
        logs.map(plainLog),
        ({ message, fields }) => message.length + sizeOf(fields),
      ))
        send({ ...at, idle: false, logs: piece })
      const parts = pieces(commands, commandSize)
      const last = parts.pop() ?? []
      for (const part of parts) send({ ...at, idle: false, commands: part })
      if (last.length === 0 && parked === undefined && !idle) continue
      send({
        ...at,
        idle,
        ...(last.length === 0 ? {} : { commands: last }),
        ...(parked === undefined ? {} : { parked }),
      })
    }
  }

  /** With encryption the engine is not to see what code logs: it is written here, and at once. */
  #logsToSend(
    { namespace, workflowId, runId, trace }: HeldRun,
    records: readonly LogRecord[],
  ): readonly LogRecord[] {
    const { codec, logger } = this.#options
    if (codec === undefined) return records
    for (const { level, message, fields } of records)
      logger[level](message, { namespace, workflowId, runId, ...traceFields(trace), ...fields })
    return []
  }

  /** An answer that is there at once is sent at once. A run that has ended meanwhile answers nothing: nobody waits for it. */
  #answer(active: ActiveRun, question: Question): void {
    const { run, call } = question
    const { send } = this.#options
    if (question.type === 'query') {
      soon(active.query(question.name, question.payload), (answer) => {
        if (answer === undefined) return
        const given = answer.ok ? { result: answer.result } : { failure: answer.failure }
        send({ type: 'answer', run, call, ...given })
      })
    } else if (question.type === 'validate') {
      soon(active.validateUpdate(question.name, question.payload), (verdict) => {
        if (verdict === undefined) return
        if (typeof verdict === 'string') send({ type: 'verdict', run, call, verdict })
        else send({ type: 'verdict', run, call, verdict: 'rejected', failure: verdict })
      })
    } else soon(active.waits(), (waits) => send({ type: 'waiting', run, call, waits }))
  }
}

function soon<T>(value: T | Promise<T>, use: (value: T) => void): void {
  if (value instanceof Promise) void value.then(use)
  else use(value)
}

function plainLog({ level, message, fields = {} }: LogRecord): RunLog {
  const plain = redactedFields(fields)
  const text = redactedText(message).slice(0, LOG_CHARACTERS)
  if (sizeOf(plain) <= LOG_CHARACTERS) return { level, message: text, fields: plain }
  return { level, message: text, fields: { shortened: JSON.stringify(plain).slice(0, LOG_CHARACTERS) } }
}

function sizeOf(value: unknown): number {
  return JSON.stringify(value)?.length ?? 0
}

/** About: the rest is short. */
function commandSize(command: WorkflowCommand): number {
  let bytes = COMMAND_BYTES
  // What people are asked, with its data and form.
  if ('spec' in command) bytes += sizeOf(command.spec)
  if ('values' in command) bytes += sizeOf(command.values)
  if ('failure' in command && command.failure !== undefined) bytes += sizeOf(command.failure)
  if ('input' in command) bytes += payloadBytes(command.input)
  if ('payload' in command) bytes += payloadBytes(command.payload)
  if ('result' in command && command.result !== undefined) bytes += payloadBytes(command.result)
  return bytes
}

/** Cuts a list where a piece gets larger than `PIECE_SIZE`. */
function pieces<T>(items: readonly T[], sizeOfItem: (item: T) => number): T[][] {
  const all: T[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const item of items) {
    if (size > PIECE_SIZE) {
      all.push([])
      size = 0
    }
    all.at(-1)?.push(item)
    size += sizeOfItem(item)
  }
  return all
}
