import { describe } from 'vitest'
import { Inode } from './fake-files.js'
import { FakeKernel } from './fake-kernel.js'
import { kernelContract, type Subject } from './kernel.contract.js'
import { socketsContract } from './sockets.contract.js'

describe('the fake kernel', () => {
  const make = (): Subject => {
    const kernel = new FakeKernel({ scratch: {} })
    return {
      kernel,
      root: '/scratch',
      arch: 'x64',
      write(path, content) {
        const cut = path.lastIndexOf('/')
        const parent = kernel.files.at(`/scratch/${path.slice(0, Math.max(0, cut))}`)
        kernel.files.add(parent, path.slice(cut + 1), new Inode('regular', 0o644)).content = Buffer.from(content)
      },
      read: (path) => Buffer.from(kernel.files.at(`/scratch/${path}`).content).toString(),
    }
  }
  kernelContract(make)
  socketsContract(make)
})
