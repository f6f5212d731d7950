/** The `config.yml` of docs/deployment.md, for members on this machine: what the docs say is what is tested. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EtcdApi } from './patroni-programs.ts'

const PAGE = join(import.meta.dirname, '../../docs/deployment.md')
const BLOCK = /```yaml\n(scope: .*?)```/s

export interface MemberPlace {
  readonly name: string
  /** Of this member: data, password file and socket. */
  readonly folder: string
  readonly binaries: string
  readonly restPort: number
  readonly port: number
  readonly etcdPorts: readonly number[]
  readonly etcdApi: EtcdApi
}

export const SUPERUSER = 'postgres'
export const SCOPE = 'orders'

export function documentedConfiguration(place: MemberPlace): string {
  const found = BLOCK.exec(readFileSync(PAGE, 'utf8'))?.[1]
  if (found === undefined) throw new Error(`${PAGE} has no configuration of Patroni`)
  const { name, folder, binaries, restPort, port, etcdPorts, etcdApi } = place
  const replacements: readonly (readonly [documented: string, here: string])[] = [
    ['name: db1', `name: ${name}`],
    ['etcd3:', etcdApi === 2 ? 'etcd:' : 'etcd3:'],
    ['10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379', etcdPorts.map((each) => `127.0.0.1:${each}`).join()],
    ['10.0.0.11:8008', `127.0.0.1:${restPort}`],
    ['10.0.0.11:5432', `127.0.0.1:${port}`],
    ['10.0.0.0/24', '127.0.0.1/32'],
    ['/var/lib/postgresql/15/orders', join(folder, 'data')],
    ['/var/lib/postgresql/orders.pgpass', join(folder, 'pgpass')],
    ['/usr/lib/postgresql/15/bin', binaries],
    ['/var/run/postgresql', folder],
  ]
  let text = found
  for (const [documented, here] of replacements) {
    if (!text.includes(documented)) throw new Error(`the configuration in ${PAGE} has no ${documented}`)
    text = text.replaceAll(documented, here)
  }
  if (text.includes('10.0.0.')) throw new Error(`the configuration in ${PAGE} has an address unknown here`)
  return text
}

/** Of the superuser, as the docs have it. */
export function documentedPassword(configuration: string): string {
  const password = /superuser: \{ username: postgres, password: (\S+) \}/.exec(configuration)?.[1]
  if (password === undefined) throw new Error(`${PAGE} has no password of the superuser`)
  return password
}

/** How the docs make the user and the database of Perdure. */
export function documentedDatabase(): {
  readonly statements: readonly string[]
  readonly user: string
  readonly password: string
} {
  const text = /```sql\n(create role .*?)```/s.exec(readFileSync(PAGE, 'utf8'))?.[1] ?? ''
  const [, user, password] = /create role (\w+) login password '([\w-]+)'/.exec(text) ?? []
  if (user === undefined || password === undefined) throw new Error(`${PAGE} makes no user of the database`)
  const statements = text.split(';').filter((statement) => statement.trim() !== '')
  return { statements, user, password }
}
