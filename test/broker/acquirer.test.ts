/** `acquire` on the fake kernel: whatever fails and wherever, nothing is handed over that was not declared, and nothing is left. */
import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { Acquirer } from '../../src/broker/acquirer.js'
import type { FrameAnswer } from '../../src/broker/channel.js'
import { Own } from '../../src/broker/own.js'
import { Sharing } from '../../src/broker/sharing.js'
import { bindOptions } from '../../src/policy/bind.js'
import type { Manifest } from '../../src/policy/manifest.js'
import type { BytePath } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'
import { acquireFrame, decodeFrame, frameText, readRefused, refusedFrame } from '../../src/protocol.js'
import { Inode } from '../contracts/fake-files.js'
import { FakeKernel } from '../contracts/fake-kernel.js'
import { Faults, type FaultPlan } from '../contracts/faults.js'

const resources: NonNullable<Manifest['resources']> = {
  seed: { read: '/w/seed' },
  log: { write: '/w/log', create: true, append: true },
  dir: { read: '/w/dir/' },
  fifo: { read: '/w/fifo' },
  link: { read: '/w/link' },
  db: { connect: 'tcp:127.0.0.1:5432' },
  sock: { connect: 'unix:/w/sock' },
  name: { connect: 'unix:@name' },
  metrics: { connect: 'udp:[::1]:9' },
  web: { listen: 'tcp:127.0.0.1:0' },
  own: { listen: 'unix:<tmp>/own' },
  beats: { listen: 'udp:127.0.0.1:0' },
}
const context = {
  root: '/w',
  workspace: '/w',
  home: '/h',
  searchPath: [],
  tmp: '/w',
  file: '/w',
  lookup: (path: BytePath) => ({ kind: path === '/w/dir' ? ('dir' as const) : ('missing' as const), real: path }),
}

function furnished(plan: FaultPlan = {}) {
  const kernel = new FakeKernel({ w: { seed: 'content', dir: {} } })
  const home = kernel.files.at('/w')
  kernel.files.add(home, 'fifo', new Inode('fifo', 0o644))
  kernel.files.add(home, 'link', new Inode('link', 0o777)).text = '/w/seed'
  const faults = new Faults(plan)
  const refused: string[] = []
  const entered: string[] = []
  const acquired: string[] = []
  const acquirer = new Acquirer({
    arch: 'x64',
    kernel: faults.guard(kernel),
    own: new Own(),
    pid: 7,
    sharing: new Sharing(() => {}),
    refused: (name) => void refused.push(name),
    acquired: ({ name, at }, request) => void acquired.push(`${name} ${at} ${request.access}`),
    entered: (rule) => void entered.push(rule.root),
  })
  acquirer.set(bindOptions(parseOptions({ manifest: { resources } }), context).resources)
  const ask = (name: string): FrameAnswer => {
    const frame = decodeFrame(acquireFrame(3, name))
    if (typeof frame === 'string') throw new Error(frame)
    return acquirer.answer(frame)
  }
  return { acquirer, ask, kernel, faults, refused, acquired, entered }
}

function settled(answer: FrameAnswer): Exclude<FrameAnswer, { kind: 'later' }> {
  return answer.kind === 'later' ? settled(answer.again()) : answer
}

function said(answer: Exclude<FrameAnswer, { kind: 'later' }>): unknown {
  const frame = decodeFrame(answer.kind === 'ready' ? answer.packet : refusedFrame(3, answer.refused))
  if (typeof frame === 'string') throw new Error(frame)
  return answer.kind === 'ready' ? JSON.parse(frameText(frame)) : readRefused(frame)
}

describe('what each gives', () => {
  test.each<[string, unknown]>([
    ['seed', { name: 'seed', kind: 'file', path: '/w/seed' }],
    ['log', { name: 'log', kind: 'file', path: '/w/log' }],
    ['dir', { name: 'dir', kind: 'directory', path: '/w/dir' }],
    ['metrics', { name: 'metrics', kind: 'datagram', address: 'udp:[::1]:9', bound: false }],
    ['own', { name: 'own', kind: 'server', address: 'unix:/w/own' }],
  ])('%s', (name, expected) => {
    const { ask, entered, kernel } = furnished()
    expect(said(settled(ask(name)))).toEqual(expected)
    expect(entered).toEqual(name === 'dir' ? ['/w/dir'] : [])
    expect(kernel.ledger.live.size).toBe(1)
  })

  test.each([
    ['fifo', Errno.EINVAL],
    ['link', Errno.ELOOP],
    ['db', Errno.ECONNREFUSED],
    ['sock', Errno.ENOENT],
    ['name', Errno.ECONNREFUSED],
  ])('%s is not to be had', (name, errno) => {
    const { ask, kernel, acquired } = furnished()
    expect(said(settled(ask(name)))).toMatchObject({ code: 3, errno })
    expect(acquired).toEqual([])
    expect(kernel.ledger.live.size).toBe(0)
  })

  test('a listener is made once, and closed with the worker', () => {
    const { ask, acquirer, kernel } = furnished()
    const [first, second] = [settled(ask('web')), settled(ask('web'))]
    expect(said(first)).toEqual(said(second))
    expect([first, second]).toMatchObject([{ keep: true }, { keep: true }])
    expect(kernel.ledger.live.size).toBe(1)
    acquirer.close()
    expect(kernel.ledger.live.size).toBe(0)
  })

  test('nothing without a name: the kernel is not even asked', () => {
    const { ask, faults, refused } = furnished()
    expect(said(settled(ask('sed')))).toEqual({
      code: 2,
      errno: 0,
      text: "this test file has no resource 'sed': did you mean 'seed'?",
    })
    expect(said(settled(ask('__proto__')))).toMatchObject({ code: 1 })
    expect([faults.calls, refused]).toEqual([0, ['sed']])
  })
})

const ERRNOS = [Errno.EIO, Errno.EACCES, Errno.EMFILE, Errno.EAGAIN, Errno.EINPROGRESS, Errno.EADDRINUSE] as const

test.each(Object.keys(resources))('%s: each call may fail, with any errno, and nothing is left', (name) => {
  const whole = furnished()
  settled(whole.ask(name))
  for (let at = 0; at < whole.faults.calls; at++) {
    for (const errno of ERRNOS) {
      const { ask, acquirer, kernel } = furnished({ at, errno })
      const answer = settled(ask(name))
      if (answer.kind === 'ready' && answer.keep !== true) answer.fd?.close()
      acquirer.close()
      expect(kernel.ledger.live.size, `call ${at}: ${errno}`).toBe(0)
    }
  }
})

test('what is handed over is told each time, by its name and its place in the manifest', () => {
  const { ask, acquired } = furnished()
  for (const name of ['seed', 'log', 'metrics', 'web', 'web', 'db']) settled(ask(name))
  expect(acquired).toEqual([
    'seed manifest.resources.seed read',
    'log manifest.resources.log write',
    'metrics manifest.resources.metrics connect',
    'web manifest.resources.web listen',
    'web manifest.resources.web listen',
  ])
})

test('what waits and is not wanted any more is closed', () => {
  for (let at = 0; at < 4; at++) {
    const { ask, kernel } = furnished({ at, errno: Errno.EINPROGRESS })
    const answer = ask('metrics')
    if (answer.kind === 'later') answer.cancel()
    else if (answer.kind === 'ready') answer.fd?.close()
    expect(kernel.ledger.live.size).toBe(0)
  }
})
