import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { isArch } from '../../src/abi/arch.js'
import { kernelContract, type Subject } from '../contracts/kernel.contract.js'
import { socketsContract } from '../contracts/sockets.contract.js'

const arch = process.arch
const isOurs = process.platform === 'linux' && isArch(arch)

describe.skipIf(!isOurs)('the real kernel (skipped where the system is not Linux on x64 or arm64)', async () => {
  if (!isArch(arch)) return
  const { LinuxKernel } = await import('../../src/sys/kernel.js')
  const { ownFileSystemState } = await import('../../src/sys/confine.js')
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'kernel-contract-')))
  let count = 0

  // This file runs in a process of its own (pool: forks), whose main thread may have a umask of its own.
  beforeAll(() => ownFileSystemState())
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  const make = (): Subject => {
    const root = join(scratch, `${++count}`)
    mkdirSync(root)
    return {
      kernel: new LinuxKernel(), root, arch,
      write: (path, content) => writeFileSync(join(root, path), content),
      read: (path) => readFileSync(join(root, path), 'utf8'),
    }
  }
  kernelContract(make)
  socketsContract(make)
})
