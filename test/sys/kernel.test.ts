import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { isArch } from '../../src/abi/arch.js'
import { Errno } from '../../src/abi/errno.js'
import { AF_INET, SOCK_DGRAM } from '../../src/abi/socket.js'
import type { FileSystemState } from '../../src/sys/creation.js'
import { addressBytes } from '../../src/syscalls/addresses.js'
import { Endpoint } from '../../src/syscalls/endpoint.js'
import type { Reception } from '../../src/syscalls/filter.js'
import { Fail, failed } from '../../src/syscalls/outcome.js'
import type { Descriptor } from '../../src/syscalls/ports.js'
import { kernelContract, must, placeIn, type Subject } from '../contracts/kernel.contract.js'
import { socketsContract } from '../contracts/sockets.contract.js'
import { hasUserAttributes } from '../harness/kernel.js'

const arch = process.arch
/** A port where nobody is. */
const DISCARD = 9
const isOurs = process.platform === 'linux' && isArch(arch)

describe.skipIf(!isOurs)('the real kernel (skipped where the system is not Linux on x64 or arm64)', async () => {
  if (!isArch(arch)) return
  const { LinuxKernel } = await import('../../src/sys/kernel.js')
  const { ownFileSystemState } = await import('../../src/sys/confine.js')
  const { closesUnixSockets } = await import('../../src/sys/probe.js')
  /** The kernel refuses descriptors from 6.16 on. Before, nothing else than the broker receives. */
  const reception: Reception = closesUnixSockets() ? 'kernel' : 'broker'
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'kernel-contract-')))
  const attributes = { hasAttributes: hasUserAttributes() }
  let count = 0

  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  const makeWith = (state: FileSystemState, reception: Reception) => (): Subject => {
    const root = join(scratch, `${++count}`)
    mkdirSync(root)
    return {
      kernel: new LinuxKernel(state, reception),
      root,
      arch,
      write: (path, content) => writeFileSync(join(root, path), content),
      read: (path) => readFileSync(join(root, path), 'utf8'),
    }
  }

  describe('with a umask and a working directory of its own', () => {
    // This file runs in a process of its own (pool: forks), whose main thread may have a umask of its own.
    beforeAll(() => {
      expect(ownFileSystemState()).toBe('own')
    })
    kernelContract(makeWith('own', reception), attributes)
    socketsContract(makeWith('own', reception))
    describe('where the broker receives', () => socketsContract(makeWith('own', 'broker')))
  })

  test('a datagram socket receives only where an address was decided', () => {
    const { sockets } = new LinuxKernel('shared', reception)
    const at = (port: number): Endpoint =>
      Endpoint.own('own-socket', must(addressBytes({ family: 'inet', protocol: 'udp', host: '127.0.0.1', port })))
    const make = (): Descriptor => {
      const socket = must(sockets.create(AF_INET, SOCK_DGRAM, 0))
      onTestFinished(() => socket.close())
      return socket
    }
    const [stranger, chosen, bound, asking] = [make(), make(), make(), make()]
    const text = Buffer.from('text')
    const receives = (socket: Descriptor): boolean => {
      const port = Buffer.from(must(sockets.localAddress(socket))).readUInt16BE(2)
      expect(port).not.toBe(0)
      must(sockets.send(stranger, text, 0, at(port), []))
      return !failed(sockets.receive(socket, { data: 16, control: 0 }, 0))
    }
    expect(sockets.send(chosen, text, 0, undefined, [])).toBe(Fail.of(Errno.EDESTADDRREQ))
    must(sockets.bind(bound, at(0), 0))
    must(sockets.send(asking, text, 0, at(DISCARD), []))
    expect([chosen, bound, asking].map(receives)).toEqual([false, true, true])
    must(sockets.connect(asking, at(DISCARD)))
    must(sockets.connect(asking, Endpoint.own('unspecified', new Uint8Array(16))))
    expect(sockets.send(asking, text, 0, undefined, [])).toBe(Fail.of(Errno.EDESTADDRREQ))
    expect(receives(asking)).toBe(false)
    sockets.hear(asking)
    expect(receives(asking)).toBe(true)
  })

  test('what was there before is not new', () => {
    const node = realpathSync(process.execPath)
    const place = placeIn({ root: dirname(node) }, basename(node))
    expect(new LinuxKernel('shared', reception).isNew(place)).toBe(false)
  })

  test('lists no crowd of datagram sockets: the list could lack one', () => {
    const { sockets } = new LinuxKernel('shared', reception)
    const at = (port: number): Endpoint =>
      Endpoint.own('own-socket', must(addressBytes({ family: 'inet', protocol: 'udp', host: '127.0.0.1', port })))
    const bound = (port: number): number => {
      const socket = must(sockets.create(AF_INET, SOCK_DGRAM, 0))
      onTestFinished(() => socket.close())
      must(sockets.share(socket, 'port', true))
      must(sockets.bind(socket, at(port), 0))
      return Buffer.from(must(sockets.localAddress(socket))).readUInt16BE(2)
    }
    const port = bound(0)
    for (let count = 1; count < 20; count++) bound(port)
    expect(must(sockets.boundTo('udp', port))).toHaveLength(20)
    for (let count = 20; count < 60; count++) bound(port)
    expect(sockets.boundTo('udp', port)).toBe(Fail.of(Errno.ENOBUFS))
    expect(sockets.receivers('udp', port)).toBe(Fail.of(Errno.ENOBUFS))
  })

  describe.each([0, 0o022, 0o077])('under a umask of the whole process of %o', (umask) => {
    beforeAll(() => {
      process.umask(umask)
      process.chdir('/')
    })
    kernelContract(makeWith('shared', reception), attributes)
    socketsContract(makeWith('shared', reception))
    test('leaves both alone', () => {
      expect([process.umask(), process.cwd()]).toEqual([umask, '/'])
    })
  })
})
