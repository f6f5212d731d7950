/** Loaded into a process (`--import`), it lets it connect from the loopback address `SOURCE_ADDRESS`: see `test-network.ts`. */
import { Socket, type TcpSocketConnectOpts } from 'node:net'

const address = process.env.SOURCE_ADDRESS
// Child processes of it are others.
delete process.env.SOURCE_ADDRESS

type Connect = (this: Socket, ...args: unknown[]) => Socket

if (address !== undefined) {
  const connect = Socket.prototype.connect as Connect
  /** `connect(port, host)` of the driver of PostgreSQL, `connect(options)`, and what `net.connect` makes of either. */
  const from: Connect = function (this: Socket, ...args) {
    const [first, second, ...rest] = args
    if (typeof first === 'number')
      return connect.call(this, { port: first, host: String(second), localAddress: address }, ...rest)
    const options = (Array.isArray(first) ? first[0] : first) as TcpSocketConnectOpts
    if (options.port !== undefined) options.localAddress = address
    return connect.call(this, ...args)
  }
  Socket.prototype.connect = from as typeof Socket.prototype.connect
}
