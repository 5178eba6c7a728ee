/**
 * What open(2), connect(2) and bind(2) come to once they are decided: for a call that trapped, and for a resource that a test
 * acquires by its name.
 */
import { Errno } from '../abi/errno.js'
import type { OpenFlags } from '../abi/open-flags.js'
import { AF_INET6 } from '../abi/socket.js'
import { addressBytes } from './addresses.js'
import { Endpoint } from './endpoint.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { Descriptor, Kernel, OpenHow, Sockets } from './ports.js'

/** The broker never waits for a FIFO or a device, and no terminal becomes its own. `setFlags` gives what was asked for. */
export function openWithoutWaiting(
  kernel: Kernel,
  O: OpenFlags,
  place: Place,
  { flags, ...how }: OpenHow,
): Outcome<Descriptor> {
  return kernel.open(place, { flags: flags | O.O_NONBLOCK | O.O_NOCTTY | O.O_LARGEFILE, ...how })
}

/** The descriptor with the status flags that were asked for; closed where that fails. */
export function setFlags(kernel: Kernel, O: OpenFlags, opened: Descriptor, flags: number): Outcome<Descriptor> {
  const set = kernel.setStatusFlags(opened, flags | O.O_LARGEFILE)
  if (!failed(set)) return opened
  opened.close()
  return set
}

/**
 * How a connection that was under way has come on. The call once more says how it ended, and only then does the kernel take the
 * socket for connected (EISCONN). While a connection is under way it looks at no address (net/ipv4/af_inet.c,
 * __inet_stream_connect). Where another thread has taken it back meanwhile it would begin a new one: nobody has port 0 of the
 * loopback interface.
 */
export function finishConnecting(sockets: Sockets, held: Descriptor, domain: number): Outcome<true> | 'under way' {
  if (!sockets.isReady(held, 'out')) return 'under way'
  const host = domain === AF_INET6 ? '::1' : '127.0.0.1'
  const nowhere = addressBytes({ family: 'inet', protocol: 'tcp', host, port: 0 })
  const connected = failed(nowhere) ? nowhere : sockets.connect(held, Endpoint.own('no-packet', nowhere))
  if (!failed(connected) || connected.errno === Errno.EISCONN) return true
  return isUnderWay(connected) ? 'under way' : connected
}

/** connect(2): it goes on by itself. */
export function isUnderWay({ errno }: Fail): boolean {
  return errno === Errno.EINPROGRESS || errno === Errno.EALREADY
}
