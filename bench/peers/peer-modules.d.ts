/**
 * What this benchmark uses of the packages it compares with. They are installed on demand only, so their own declarations are
 * not there when types are checked.
 */

declare module '@dbos-inc/dbos-sdk' {
  type Note = (entry: unknown) => void
  export const DBOS: {
    setConfig(config: {
      readonly name: string
      readonly systemDatabaseUrl: string
      readonly systemDatabasePoolSize: number
      readonly logger: {
        readonly info: Note
        readonly debug: Note
        readonly warn: Note
        readonly error: Note
      }
    }): void
    registerWorkflow<Args extends unknown[], Result>(
      run: (...args: Args) => Promise<Result>,
      config: { readonly name: string },
    ): (...args: Args) => Promise<Result>
    runStep<Result>(step: () => Promise<Result>, config: { readonly name: string }): Promise<Result>
    startWorkflow<Args extends unknown[], Result>(
      workflow: (...args: Args) => Promise<Result>,
      params: { readonly workflowID: string },
    ): (...args: Args) => Promise<{ getResult(): Promise<Result> }>
    launch(): Promise<void>
    shutdown(): Promise<void>
  }
}

declare module '@restatedev/restate-sdk' {
  import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'

  export interface Context {
    run<Result>(name: string, step: () => Result | Promise<Result>): Promise<Result>
  }
  export interface ServiceDefinition<Handlers> {
    readonly name: string
    readonly handlers?: Handlers
  }
  export function service<Handlers>(options: {
    readonly name: string
    readonly handlers: Handlers
  }): ServiceDefinition<Handlers>
  export function createEndpointHandler(options: {
    readonly services: readonly unknown[]
    readonly logger: () => void
  }): (request: Http2ServerRequest, response: Http2ServerResponse) => void
}

declare module '@restatedev/restate-sdk-clients' {
  import type { ServiceDefinition } from '@restatedev/restate-sdk'

  type Called<Handler> = Handler extends (context: never, input: infer Input) => Promise<infer Result>
    ? (input: Input, options: Opts) => Promise<Result>
    : never
  interface Opts {
    readonly idempotencyKey?: string
  }
  export const Opts: { from(options: { readonly idempotencyKey: string }): Opts }
  export function connect(options: { readonly url: string }): {
    serviceClient<Handlers>(definition: ServiceDefinition<Handlers>): {
      readonly [Name in keyof Handlers]: Called<Handlers[Name]>
    }
  }
}

declare module 'pg-boss' {
  export class PgBoss {
    constructor(options: { readonly connectionString: string; readonly max: number })
    on(event: 'error', listener: (error: Error) => void): this
    start(): Promise<this>
    stop(options: { readonly graceful: boolean }): Promise<void>
    createQueue(name: string): Promise<void>
    insert(name: string, jobs: readonly { readonly data: object }[]): Promise<unknown>
    work(
      name: string,
      options: {
        readonly batchSize: number
        readonly localConcurrency: number
        readonly burstWhenBatchFull: boolean
        readonly pollingIntervalSeconds: number
      },
      handler: (jobs: readonly { readonly data: object }[]) => Promise<object>,
    ): Promise<string>
  }
}

declare module 'graphile-worker' {
  export class Logger {
    constructor(factory: () => () => void)
  }
  interface SharedOptions {
    readonly connectionString: string
    readonly logger: Logger
  }
  export function makeWorkerUtils(options: SharedOptions & { readonly maxPoolSize: number }): Promise<{
    migrate(): Promise<void>
    addJobs(jobs: readonly { readonly identifier: string; readonly payload: object }[]): Promise<unknown>
    release(): Promise<void>
  }>
  export function run(options: {
    readonly taskList: { readonly [name: string]: (payload: unknown) => void | Promise<void> }
    readonly logger: Logger
    readonly preset: {
      readonly worker: {
        readonly connectionString: string
        readonly concurrentJobs: number
        readonly maxPoolSize: number
        readonly localQueue: { readonly size: number }
        readonly completeJobBatchDelay: number
        readonly failJobBatchDelay: number
      }
    }
  }): Promise<{ stop(): Promise<void> }>
}

declare module 'bullmq' {
  interface Connection {
    readonly connection: { readonly host: string; readonly port: number; readonly maxRetriesPerRequest: null }
  }
  export class Queue {
    constructor(name: string, options: Connection)
    addBulk(jobs: readonly { readonly name: string; readonly data: object }[]): Promise<unknown>
    close(): Promise<void>
  }
  export class Worker {
    constructor(
      name: string,
      run: (job: { readonly data: unknown }) => Promise<object>,
      options: Connection & { readonly concurrency: number },
    )
    on(event: 'completed', listener: () => void): this
    on(event: 'error', listener: (error: Error) => void): this
    close(isForced: boolean): Promise<void>
  }
}
