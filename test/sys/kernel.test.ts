import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isArch } from '../../src/abi/arch.js'
import type { FileSystemState } from '../../src/sys/creation.js'
import type { Reception } from '../../src/syscalls/filter.js'
import { kernelContract, type Subject } from '../contracts/kernel.contract.js'
import { socketsContract } from '../contracts/sockets.contract.js'
import { hasUserAttributes } from '../harness/kernel.js'

const arch = process.arch
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
