/**
 * A Restate server of one node. Its log is fsynced before a step counts: `rocksdb-disable-wal-fsync` is false by default
 * (`restate-server --dump-config` prints all settings).
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../test/postgres/server.ts'
import { KeptServer } from './kept-server.ts'
import { restateBinaryPackage } from './peer-packages.ts'

const PROGRAM = join(import.meta.dirname, 'node_modules', restateBinaryPackage(), 'bin', 'restate-server')
/**
 * `default-num-partitions`, 24 by default. With 2 cores and 64 or 1,000 in flight, 2 were the fastest or as fast as 4; 8 and 24
 * gave half to three quarters of that.
 */
const PARTITIONS = 2

export async function startRestate(): Promise<{
  readonly url: string
  readonly adminUrl: string
  readonly server: KeptServer
}> {
  const [ingress, admin, fabric] = [await freePort(), await freePort(), await freePort()]
  const server = await KeptServer.start({
    name: 'restate',
    command: (folder) => {
      const file = join(folder, 'restate.toml')
      writeFileSync(file, configuration({ folder, ingress, admin, fabric }))
      return [PROGRAM, '--no-logo', '--config-file', file]
    },
    isReady: async () => {
      const answers = await Promise.all([
        fetch(`http://127.0.0.1:${admin}/health`),
        fetch(`http://127.0.0.1:${ingress}/restate/health`),
      ])
      return answers.every(({ ok }) => ok)
    },
  })
  return { url: `http://127.0.0.1:${ingress}`, adminUrl: `http://127.0.0.1:${admin}`, server }
}

function configuration(at: {
  readonly folder: string
  readonly ingress: number
  readonly admin: number
  readonly fabric: number
}): string {
  return `
node-name = "bench"
base-dir = "${at.folder}/data"
listen-mode = "tcp"
bind-address = "127.0.0.1:${at.fabric}"
advertised-address = "http://127.0.0.1:${at.fabric}"
default-num-partitions = ${PARTITIONS}
disable-telemetry = true
log-filter = "warn"

[ingress]
bind-address = "127.0.0.1:${at.ingress}"

[admin]
bind-address = "127.0.0.1:${at.admin}"
`
}
