/** That the kernel keeps a worker's signals within the worker: a call that goes on after the decision relies on it. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const isLinux = process.platform === 'linux'
const { landlockAbi } = isLinux ? await import('../../src/sys/confine.js') : { landlockAbi: () => 0 }
/** LANDLOCK_SCOPE_SIGNAL: landlock(7), "VERSIONS". */
const SCOPED_SINCE = 6
const missing = landlockAbi() >= SCOPED_SINCE ? '' : 'skipped: this kernel has no LANDLOCK_SCOPE_SIGNAL'

const code = (confined: boolean) => `
  import(${JSON.stringify(new URL('../../dist/sys/confine.js', import.meta.url).href)}).then(({ noNewPrivileges, enterLandlock }) => {
    const { spawn } = require('node:child_process')
    if (${confined}) {
      noNewPrivileges()
      enterLandlock([{ path: '/', right: 'execute' }])
    }
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const attempt = (pid) => { try { return process.kill(pid, 0) } catch (error) { return error.code } }
    console.log(JSON.stringify([attempt(process.ppid), attempt(process.pid), attempt(child.pid)]))
    child.kill('SIGKILL')
  })`

test.skipIf(missing !== '')(
  `a signal reaches the own process and children, and nobody outside (${missing || 'live'})`,
  () => {
    const run = (confined: boolean): unknown => {
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', code(confined)], { encoding: 'utf8' })
      expect(stderr).toBe('')
      return JSON.parse(stdout)
    }
    expect(run(false)).toEqual([true, true, true])
    expect(run(true)).toEqual(['EPERM', true, true])
  },
)
