/** `perdure lb-config`: a configuration of nginx, HAProxy or Keepalived, ready to be used. */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command, CommandCall } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { haproxyConfig } from './haproxy-config.ts'
import { keepalivedConfig } from './keepalived-config.ts'
import { balancerSettings, LB_OPTIONS, PRODUCTS, routerSettings } from './lb-config-options.ts'
import { nginxConfig } from './nginx-config.ts'

export const lbConfigCommand: Command = {
  name: 'lb-config',
  summary:
    'Writes a configuration of a load balancer in front of nodes: nginx, haproxy, or keepalived for its address.',
  operands: ['PRODUCT'],
  words: PRODUCTS,
  options: {
    ...LB_OPTIONS,
    out: { value: 'FILE', says: 'default: standard output' },
    help: { says: 'this help', short: 'h' },
  },
  examples: [
    {
      line: 'perdure lb-config haproxy --nodes 127.0.0.1:7233,127.0.0.1:7234 --listen 80',
      says: 'two nodes on this machine',
    },
    {
      line: 'perdure lb-config nginx --nodes n1:7233=2,n2:7233 --balance least-connections --out nginx.conf',
      says: 'n1 gets twice as many connections',
    },
    {
      line: 'perdure lb-config nginx --nodes n1:7233,n2:7233 --tls terminate --cert lb.crt --key lb.key',
      says: 'clients talk TLS to nginx; where nodes have TLS, --ca and what belongs to it',
    },
    {
      line: 'perdure lb-config haproxy --nodes n1:7233,n2:7233 --tls pass-through --proxy-protocol v2',
      says: 'clients talk TLS to the nodes, which are told where they call from',
    },
    {
      line: 'perdure lb-config keepalived --address 10.0.0.9/24 --interface eth0 --routers 10.0.0.1,10.0.0.2',
      says: 'the first of two machines that share an address; the other one: --router 10.0.0.2',
    },
  ],
  run,
}

async function run({ options, operands, output, directory }: CommandCall): Promise<number> {
  const [given = ''] = operands
  const product = PRODUCTS.find((each) => each === given)
  if (product === undefined) throw new UsageError(`'${given}' is none of ${PRODUCTS.join(', ')}`)
  const text =
    product === 'keepalived'
      ? keepalivedConfig(routerSettings(options))
      : product === 'nginx'
        ? nginxConfig(balancerSettings(product, options))
        : haproxyConfig(balancerSettings(product, options))
  const out = options.text('out')
  if (out === undefined) output.line(text.trimEnd())
  else writeFileSync(resolve(directory, out), text)
  return 0
}
