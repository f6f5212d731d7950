/** A whole `keepalived.conf` for Keepalived 2.0 or newer: of one of the machines that share a virtual address. */
import { block, textOf } from './config-text.ts'

export interface RouterSettings {
  /** With its prefix, such as `10.0.0.100/24`. */
  readonly virtualAddress: string
  readonly interface: string
  /** Addresses of all machines that may have it, the one first that is to have it. */
  readonly routers: readonly string[]
  /** The one of them that this configuration is for. */
  readonly router: string
  /** 1 to 255, the same on all of them, another one for each virtual address of the network. */
  readonly routerId: number
  /** What this machine is asked to see whether it should have the address. */
  readonly checkUrl: string
  /** Certificate and key for that, where it asks for one. */
  readonly checkCert: string | undefined
  readonly checkKey: string | undefined
}

const PRIORITY_FIRST = 200
const PRIORITY_STEP = 10

export function keepalivedConfig(settings: RouterSettings): string {
  const { routers, router, routerId, virtualAddress } = settings
  const priority = PRIORITY_FIRST - PRIORITY_STEP * routers.indexOf(router)
  return textOf([
    `! ${virtualAddress} on ${router}, one of ${routers.join(', ')}: check it with keepalived -t -f FILE`,
    block('global_defs', [
      `router_id perdure_${router.replaceAll(/[.:]/g, '_')}`,
      'enable_script_security',
      '! Root, who may read a key. As another user keepalived -t of 2.2.7 ends itself.',
      'script_user root',
    ]),
    block('vrrp_script perdure_ready', [
      '! Through the balancer of this machine: it works, and has a node that is ready.',
      `script "${checkOf(settings)}"`,
      'interval 1',
      'timeout 2',
      'fall 2',
      'rise 2',
      'init_fail',
    ]),
    block('vrrp_instance perdure', [
      '! Whoever has the address keeps it until it is not well: each move ends connections.',
      'state BACKUP',
      'nopreempt',
      `interface ${settings.interface}`,
      `virtual_router_id ${routerId}`,
      `priority ${priority}`,
      'advert_int 1',
      `unicast_src_ip ${router}`,
      block(
        'unicast_peer',
        routers.filter((each) => each !== router),
      ),
      block('virtual_ipaddress', [`${virtualAddress} dev ${settings.interface}`]),
      block('track_script', ['perdure_ready']),
    ]),
  ])
}

/** A certificate names hosts, and not this machine as it is reached from itself. */
function checkOf({ checkUrl, checkCert, checkKey }: RouterSettings): string {
  const insecure = checkUrl.startsWith('https:') ? ' --insecure' : ''
  const cert = checkCert === undefined ? '' : ` --cert ${checkCert}`
  const key = checkKey === undefined ? '' : ` --key ${checkKey}`
  return `/usr/bin/curl --disable --silent --fail --max-time 1 --output /dev/null${insecure}${cert}${key} ${checkUrl}`
}
