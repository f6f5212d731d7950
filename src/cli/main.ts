#!/usr/bin/env node
/** The executable `perdure`. */
import { runProgram } from './program.ts'

// Some supported versions of Node call their SQLite experimental, once per process: not news for who runs this.
const emitWarning = process.emitWarning.bind(process)
process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
  if (String(warning).includes('SQLite is an experimental feature')) return
  Reflect.apply(emitWarning, process, [warning, ...rest])
}

const { stdin, stdout, stderr, env } = process
process.exitCode = await runProgram(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  env,
  directory: process.cwd(),
  nowMs: Date.now(),
})
